#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How fast the mock machine is: prints a table, judges nothing.

Each sample is one call, timed in C around the ioctl (the last rows: in Python around the method of the device
layer). "one CPU" pins the mock kernel and its client to the same CPU, where every call is two context switches;
in "free" the host's scheduler decides.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from amdgpu_hw.libdrm._libdrm import ffi, lib
from rich.console import Console
from rich.table import Table

from amdgpu_hw import open_gpu
from amdgpu_hw.errors import DrmError
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.mock.machine import DEFAULT_GPU, Machine
from amdgpu_hw.mock.variants import DEFAULT_VARIANT, VARIANTS
from amdgpu_hw.uapi import amdgpu_drm, drm
from amdgpu_hw.uapi.layout import Ioctl

SUITE = Path(__file__).parents[1] / "tests" / "hw"
NODE = "/dev/dri/renderD128"
SIZE = 64 * 1024
ADDRESS = 1 << 32
WARM_UP = 200
NOT_A_DRM_IOCTL = 0x5A00
"""A request of another type: the mock kernel refuses it without looking at its argument."""


class Client:
    """Makes the samples; runs on the machine."""

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self.elapsed = ffi.new("uint64_t *")
        self.fd = os.open(NODE, os.O_RDWR | os.O_CLOEXEC)

    def ioctls(self) -> dict[str, list[float]]:
        """Single ioctls, in us."""
        capability = bytearray(drm.GET_CAP.pack(capability=drm.DRM_CAP_SYNCOBJ))
        result = {
            "refused ioctl (the seam alone)": self._repeat(lambda: self._timed(NOT_A_DRM_IOCTL, None, refused=True)),
            "trivial ioctl (GET_CAP)": self._repeat(lambda: self._timed(drm.IOCTL_GET_CAP.request, capability)),
        }
        return result | self._gem_va()

    def _gem_va(self) -> dict[str, list[float]]:
        created = ioctl(
            self.fd,
            amdgpu_drm.IOCTL_AMDGPU_GEM_CREATE,
            out=amdgpu_drm.GEM_CREATE_OUT,
            bo_size=SIZE,
            alignment=4096,
            domains=amdgpu_drm.AMDGPU_GEM_DOMAIN_GTT,
        )
        flags = amdgpu_drm.AMDGPU_VM_PAGE_READABLE | amdgpu_drm.AMDGPU_VM_PAGE_WRITEABLE
        request: Ioctl = amdgpu_drm.IOCTL_AMDGPU_GEM_VA
        arguments = [
            bytearray(
                amdgpu_drm.GEM_VA.pack(
                    handle=created["handle"], operation=operation, flags=flags, va_address=ADDRESS, map_size=SIZE
                )
            )
            for operation in (amdgpu_drm.AMDGPU_VA_OP_MAP, amdgpu_drm.AMDGPU_VA_OP_UNMAP)
        ]
        halves: tuple[list[float], list[float]] = ([], [])
        for turn in range(WARM_UP + self.samples):
            for half, argument in zip(halves, arguments, strict=True):
                sample = self._timed(request.request, argument)
                if turn >= WARM_UP:
                    half.append(sample)
        return {
            "GEM_VA map": halves[0],
            "GEM_VA unmap": halves[1],
            "GEM_VA map + unmap": [sum(pair) for pair in zip(*halves, strict=True)],
        }

    def methods(self) -> dict[str, list[float]]:
        """The device layer's unmap(), with its update fence, in us; the range is mapped anew each time."""
        samples: list[float] = []
        with open_gpu() as gpu, gpu.alloc(SIZE) as buffer, gpu.reserve(SIZE) as place:
            for turn in range(WARM_UP + self.samples):
                mapping = place.map(buffer)
                start = time.perf_counter_ns()
                mapping.unmap()
                if turn >= WARM_UP:
                    samples.append((time.perf_counter_ns() - start) / 1000)
        return {"Mapping.unmap()": samples}

    def _timed(self, request: int, argument: bytearray | None, *, refused: bool = False) -> float:
        pointer = ffi.NULL if argument is None else ffi.from_buffer(argument)
        result = lib.glue_timed_ioctl(self.fd, request, pointer, self.elapsed)
        if result and not refused:
            raise DrmError(-result, f"ioctl {request:#x}")
        return float(self.elapsed[0]) / 1000

    def _repeat(self, sample: Callable[[], float]) -> list[float]:
        return [sample() for _ in range(WARM_UP + self.samples)][WARM_UP:]


def _sample(machine: Machine, samples: int, cpu: int | None) -> dict[str, list[float]]:
    """Run `Client` on the machine; ``cpu``: pin it there."""
    command = [sys.executable, __file__, "--client", f"--samples={samples}"]
    if cpu is not None:
        command.append(f"--cpu={cpu}")
    result = subprocess.run(command, env=machine.environ(), stdout=subprocess.PIPE, text=True, check=True)
    samples_by_name: dict[str, list[float]] = json.loads(result.stdout)
    return samples_by_name


def _rows(table: Table, where: str, samples: dict[str, list[float]]) -> None:
    for name, values in samples.items():
        deciles = statistics.quantiles(values, n=10)
        numbers = (min(values), statistics.median(values), deciles[8])
        table.add_row(name, where, *(f"{number:.1f}" for number in numbers))
    on_top = statistics.median(samples["Mapping.unmap()"]) - statistics.median(samples["GEM_VA unmap"])
    table.add_row("  of it above one GEM_VA", where, "", f"{on_top:.1f}", "")


def _suite_seconds(machine: Machine) -> tuple[float, int]:
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", str(SUITE)]
    status = subprocess.run(command, env=machine.environ(), stdout=subprocess.DEVNULL, check=False).returncode
    return time.monotonic() - start, status


def _print_report(options: argparse.Namespace) -> None:
    console = Console()
    table = Table(
        title=f"mock {options.gpu}, kernel {options.kernel}, {options.samples} samples each", title_justify="left"
    )
    table.add_column("us per")
    table.add_column("CPUs")
    for column in ("min", "median", "p90"):
        table.add_column(column, justify="right")
    start = time.monotonic()
    with Machine([options.gpu], options.kernel) as machine:
        started = time.monotonic() - start
        _rows(table, "free", _sample(machine, options.samples, None))
        if not options.no_suite:
            suite, status = _suite_seconds(machine)
    with Machine([options.gpu], options.kernel) as machine:
        cpu = min(os.sched_getaffinity(0))
        os.sched_setaffinity(machine.pid, {cpu})
        _rows(table, "one CPU", _sample(machine, options.samples, cpu))
    console.print(table)
    console.print(f"start of a machine: {started:.2f} s")
    if not options.no_suite:
        console.print(f"tests/hw: {suite:.1f} s (pytest's exit status {status})")
    console.print(f"{len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f}, Linux {os.uname().release}")


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the mock machine.")
    parser.add_argument("--gpu", default=DEFAULT_GPU, help="the mock GPU")
    parser.add_argument("--kernel", default=DEFAULT_VARIANT, choices=VARIANTS, help="the kernel variant")
    parser.add_argument("--samples", type=int, default=3000, help="samples of each call")
    parser.add_argument("--no-suite", action="store_true", help="leave tests/hw out")
    parser.add_argument("--client", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--cpu", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if not options.client:
        _print_report(options)
        return
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    client = Client(options.samples)
    json.dump(client.ioctls() | client.methods(), sys.stdout)


if __name__ == "__main__":
    main()
