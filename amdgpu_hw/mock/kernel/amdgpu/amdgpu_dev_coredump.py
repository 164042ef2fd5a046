# SPDX-License-Identifier: MIT
"""The dump of a GPU after a hang (amdgpu_dev_coredump.c).

The layout is the kernel's. Where the kernel dumps registers and the contents of ring buffers, of which the model has
neither, it says what the command processors were at.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.devcoredump import dev_coredumpm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm

__all__ = ("amdgpu_coredump", "coredump_text")

AMDGPU_COREDUMP_VERSION = "1"


def amdgpu_coredump(adev: AmdgpuDevice, skip_vram_check: bool, vram_lost: bool, job: AmdgpuJob | None) -> None:
    """Make a dump available in /sys, unless an older one is still there.

    Leaves out: making the text only when the file is read, in Linux 7.3 from a worker.
    """
    text = coredump_text(adev, skip_vram_check, vram_lost, job)
    dev_coredumpm(adev.kernel, adev.syspath, text.encode())
    adev.ddev.info("AMDGPU device coredump file has been created")
    adev.ddev.info(f"Check your /sys/class/drm/card{adev.ddev.primary_minor}/device/devcoredump/data")


def coredump_text(adev: AmdgpuDevice, skip_vram_check: bool, vram_lost: bool, job: AmdgpuJob | None) -> str:
    """Return the dump as it is read from the file."""
    sections = (_header(adev, job), _soc(adev), _firmware(adev), _hang(adev, job), _rings(adev))
    lines = [line for section in sections for line in section]
    if skip_vram_check:
        lines.append("VRAM lost check is skipped!")
    elif vram_lost:
        lines.append("VRAM is lost due to GPU reset!")
    return "\n".join((*lines, ""))


def _header(adev: AmdgpuDevice, job: AmdgpuJob | None) -> Iterator[str]:
    seconds, rest = divmod(time.clock_gettime_ns(time.CLOCK_MONOTONIC), 1_000_000_000)
    yield "**** AMDGPU Device Coredump ****"
    yield f"version: {AMDGPU_COREDUMP_VERSION}"
    yield f"kernel: mock {adev.variant.name}"
    yield "module: amdgpu"
    yield f"time: {seconds}.{rest:09d}"
    vm = job.vm if job is not None else None
    if vm is not None and vm.pid:
        yield f"process_name: {vm.process_name} PID: {vm.pid}"


def _soc(adev: AmdgpuDevice) -> Iterator[str]:
    identity = adev.identity
    yield ""
    yield "SOC Information"
    yield f"SOC Device id: {identity.pci.device}"
    yield f"SOC PCI Revision id: {identity.pci.revision}"
    yield f"SOC Family: {identity.chip.family}"
    yield f"SOC Revision id: {identity.chip.chip_rev}"
    yield f"SOC External Revision id: {identity.chip.external_rev}"
    yield ""
    yield "SOC Memory Information"
    yield f"real vram size: {identity.memory.vram}"
    yield f"visible vram size: {identity.memory.visible_vram}"
    yield f"gtt size: {identity.memory.gtt}"
    yield ""
    yield "GDS Config"
    yield f"gds: total size: {identity.gds.size}"
    yield f"gds: compute partition size: {identity.gds.size}"
    yield f"gds: gws per compute partition: {identity.gds.gws}"
    yield f"gds: os per compute partition: {identity.gds.oa}"
    yield ""
    yield "HW IP Version Information"
    yield f"HWIP: GC[1][0]: v{_version(identity.gc_version)}"
    for instance in range(identity.sdma.instances):
        yield f"HWIP: SDMA0[{instance}][0]: v{_version(identity.sdma_version)}"


def _version(version: tuple[int, int, int]) -> str:
    return ".".join(str(part) for part in (*version, 0, 0))


def _firmware(adev: AmdgpuDevice) -> Iterator[str]:
    yield ""
    yield "IP Firmwares"
    for name, (version, feature) in adev.identity.firmware.items():
        yield f"{name.upper()} feature version: {feature}, fw version: 0x{version:08x}"
    yield ""
    yield "VBIOS Information"
    yield f"vbios pn         : {adev.identity.chip.vbios}"


def _hang(adev: AmdgpuDevice, job: AmdgpuJob | None) -> Iterator[str]:
    vm: AmdgpuVm | None = None
    if job is not None:
        ring = adev.ring_of_sched(job.sched)
        yield ""
        yield "Ring timed out details"
        yield f"IP Type: {ring.hw_ip} Ring Name: {ring.name}"
        vm = job.vm
    address, status, hub = vm.fault_info if vm is not None else (0, 0, 0)
    yield ""
    yield f"[{'mmhub' if hub else 'gfxhub'}] Page fault observed"
    yield f"Faulty page starting at address: 0x{address:016x}"
    yield f"Protection fault status register: 0x{status:x}"
    yield ""


def _rings(adev: AmdgpuDevice) -> Iterator[str]:
    yield "IP Dump"
    for ring in adev.rings:
        yield f"{ring.name}: {ring.hw.state.value}, at {ring.hw.where()}"
    yield ""
    yield "Ring buffer information"
    for ring in adev.rings:
        yield f"ring name: {ring.name}"
        yield f"Rptr: 0x{ring.fence_drv.last_seq:x} Wptr: 0x{ring.fence_drv.sync_seq:x} RB mask: 0"
        yield "Ring size in dwords: 0"
