# SPDX-License-Identifier: MIT
"""The conditions of a run: what they are, and holding still those that can be held (clocks, CPU)."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from amdgpu_hw.errors import DrmError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm import core
from amdgpu_hw.measure.calls import NumberedContext
from amdgpu_hw.measure.model import Conditions, Scalar
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.verdict.machine import command_line, software_versions, this_machine

__all__ = ("PSTATES", "Clocks", "PinnedCpu", "StablePstate", "clock_changes", "clocks", "read_conditions", "read_text")

PSTATES = {
    "standard": uapi.AMDGPU_CTX_STABLE_PSTATE_STANDARD,
    "min-sclk": uapi.AMDGPU_CTX_STABLE_PSTATE_MIN_SCLK,
    "min-mclk": uapi.AMDGPU_CTX_STABLE_PSTATE_MIN_MCLK,
    "peak": uapi.AMDGPU_CTX_STABLE_PSTATE_PEAK,
}

_FIRMWARE = {
    "ME": info.AMDGPU_INFO_FW_GFX_ME,
    "PFP": info.AMDGPU_INFO_FW_GFX_PFP,
    "MEC": info.AMDGPU_INFO_FW_GFX_MEC,
    "RLC": info.AMDGPU_INFO_FW_GFX_RLC,
    "SDMA": info.AMDGPU_INFO_FW_SDMA,
    "SMC": info.AMDGPU_INFO_FW_SMC,
    "MES": info.AMDGPU_INFO_FW_MES,
    "MES KIQ": info.AMDGPU_INFO_FW_MES_KIQ,
    "IMU": info.AMDGPU_INFO_FW_IMU,
}
"""What has a hand in submissions and page-table updates."""

_PARAMETERS = Path("/sys/module/amdgpu/parameters")
_CPUS = Path("/sys/devices/system/cpu")

_MAY_CHANGE = 0.05
"""Share of a clock."""

Clocks = tuple[int | None, int | None]
"""Shader and memory clock in MHz; None where the kernel does not tell."""


class StablePstate:
    """Clocks held in a stable power state by a context of its own, for as long as the ``with`` block lasts.

    The kernel puts them back when the context is freed, so also when the process dies. Where it refuses, ``name``
    stays empty and ``why_not`` says why: the run goes on and its result says so.
    """

    def __init__(self, gpu: Gpu, wanted: str) -> None:
        self.name = ""
        """A key of `PSTATES`; empty if the clocks are not held."""
        self.why_not = "" if wanted in PSTATES else "not asked for"
        self._context = NumberedContext(gpu)
        if self.why_not:
            return
        try:
            self._context.set_stable_pstate(PSTATES[wanted])
            self.name = wanted
        except DrmError as error:
            self.why_not = f"the kernel does not hold the clocks: {error.errno_name}"

    def close(self) -> None:
        """Let the clocks go."""
        self._context.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class PinnedCpu:
    """The calling thread, and those it starts, on one CPU while the ``with`` block lasts; with None nothing changes."""

    def __init__(self, cpu: int | None) -> None:
        self.cpu = cpu
        self._before: set[int] = set()

    def __enter__(self) -> Self:
        self._before = os.sched_getaffinity(0)
        if self.cpu is not None:
            os.sched_setaffinity(0, {self.cpu})
        return self

    def __exit__(self, *_exc: object) -> None:
        os.sched_setaffinity(0, self._before)


def clocks(gpu: Gpu) -> Clocks:
    """The clocks right now."""
    return gpu.sensor(info.AMDGPU_INFO_SENSOR_GFX_SCLK), gpu.sensor(info.AMDGPU_INFO_SENSOR_GFX_MCLK)


def clock_changes(before: Clocks, after: Clocks) -> Iterator[str]:
    """Flags for a round during which the clocks did not stay the same."""
    for name, was, now in zip(("shader", "memory"), before, after, strict=True):
        if was and now is not None and abs(now - was) > _MAY_CHANGE * was:
            yield f"unstable: {name} clock {was} MHz before, {now} MHz after"


def read_conditions(gpu: Gpu, pstate: str, pinned_cpu: int | None, options: Mapping[str, Scalar]) -> Conditions:
    """Everything about machine, kernel, GPU and run that a figure may depend on."""
    machine, identity = this_machine(), gpu.identity
    versions = software_versions()
    return Conditions(
        simulated=not machine.gpu_is_real,
        mock_kernel=machine.mock_kernel,
        kernel_release=platform.release(),
        kernel_version=platform.version(),
        driver=core.version(gpu.fileno()).name,
        driver_version=identity.driver_version,
        gpu_name=identity.name,
        pci_address=identity.pci_address,
        gc_version=identity.gc_version,
        firmware=_firmware(gpu),
        libdrm=versions["libdrm"],
        module_parameters={path.name: read_text(path) for path in sorted(_PARAMETERS.glob("*"))},
        governors={
            path.parent.parent.name: read_text(path) for path in sorted(_CPUS.glob("cpu*/cpufreq/scaling_governor"))
        },
        pinned_cpu=pinned_cpu,
        pstate=pstate,
        load_average=os.getloadavg(),
        python=versions["python"],
        gpu_time=machine.gpu_time,
        explicit_sync=bool(gpu.capabilities.explicit_sync),
        options={**options, "scheduling": _scheduling()},
        command=tuple(command_line()),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _scheduling() -> str:
    """Policy and niceness of the measuring thread: on a busy machine they decide how much the times scatter."""
    names = {os.SCHED_OTHER: "other", os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr", os.SCHED_BATCH: "batch"}
    return f"{names.get(os.sched_getscheduler(0), 'unknown')}, nice {os.nice(0)}"


def read_text(path: Path) -> str:
    """A file of sysfs, or why it cannot be read (many parameters are root's)."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        return f"({error.strerror})"


def _firmware(gpu: Gpu) -> dict[str, str]:
    found = {}
    for name, number in _FIRMWARE.items():
        try:
            version, feature = gpu.firmware_version(number)
        except DrmError:  # a firmware that this generation does not have
            continue
        if version:
            found[name] = f"{version:#x}, feature {feature}"
    return found
