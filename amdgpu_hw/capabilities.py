# SPDX-License-Identifier: MIT
"""What kernel and GPU can do, found out by doing it on scratch addresses.

The driver's version number says nothing about the explicit-sync series (KERNEL.md 0.1), and what came with Linux
6.16 is silently ignored by older kernels (KERNEL.md 0.3), so every probe looks at what the call did.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from amdgpu_hw.errors import DrmError, FeatureMissing, errno_name
from amdgpu_hw.evidence.module_parameters import module_parameter
from amdgpu_hw.identity import IpVersion, ip_version
from amdgpu_hw.libdrm import core
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle, can_isolate
from amdgpu_hw.libdrm.vm import AmdgpuVaRange, VaOperation, bo_va_op
from amdgpu_hw.memory import PAGE_SIZE
from amdgpu_hw.packets.engine import Engine
from amdgpu_hw.sync import Syncobj
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi.drm import DRM_CAP_SYNCOBJ_TIMELINE

__all__ = ("PROBES", "Capabilities", "Probe", "RingInfo", "probe_capabilities")

_USE_CPU_FOR_GFX = 1 << 0
"""Bit of the module parameter vm_update_mode (AMDGPU_VM_USE_CPU_FOR_GFX)."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether something is supported, the errno that the kernel gave if not (0 if none), and what was seen."""

    supported: bool
    errno: int
    why: str

    def __bool__(self) -> bool:
        return self.supported

    def __str__(self) -> str:
        return f"{'yes' if self.supported else 'no'}: {self.why}"


@dataclass(frozen=True, slots=True)
class RingInfo:
    """One kind of ring (HW_IP_INFO): the version of its block, which rings exist, what an IB has to look like."""

    engine: Engine
    version: IpVersion
    rings: tuple[int, ...]
    """The ring numbers that take submissions; empty if the GPU has none of this kind."""
    ib_start_alignment: int
    ib_size_alignment: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What `probe_capabilities` found."""

    explicit_sync: Probe
    """AMDGPU_VM_EXPLICIT_SYNC: whether a CLEAR of nothing accepts the flag (KERNEL.md 0.1)."""
    page_table_jobs: Probe
    """Whether jobs write page tables, and wait for what they have to; otherwise the CPU does, inside the ioctl."""
    update_fence: Probe
    """The update fence of GEM_VA: whether one appears in the syncobj. Kernels before 6.16 leave it empty."""
    input_fence: Probe
    """The input fences of GEM_VA: whether it looks at them. Kernels that do refuse handle 0."""
    prt: Probe
    """PRT mappings: whether one is accepted, and taken away again."""
    timeline_syncobj: Probe
    """Timeline syncobjs (DRM_CAP_SYNCOBJ_TIMELINE)."""
    second_address_space: Probe
    """More than one address space per process: a matter of libdrm, not of the kernel."""
    rings: Mapping[Engine, RingInfo]
    """The rings that take submissions, by engine; an engine that the GPU lacks has no ring numbers."""

    def probes(self) -> dict[str, Probe]:
        """All yes-or-no probes by name."""
        return {name: getattr(self, name) for name in PROBES}


PROBES = tuple(each.name for each in fields(Capabilities) if each.type == Probe.__name__)
"""The names of all yes-or-no probes."""


def probe_capabilities(device: AmdgpuDeviceHandle) -> Capabilities:
    """Find out what kernel and GPU can do; leaves nothing behind. Raises `DrmError` if the GPU does not answer."""
    return Capabilities(
        explicit_sync=_probe_explicit_sync(device),
        page_table_jobs=_probe_page_table_jobs(),
        update_fence=_probe_update_fence(device),
        input_fence=_probe_input_fence(device),
        prt=_probe_prt(device),
        timeline_syncobj=_probe_timeline_syncobj(device),
        second_address_space=_probe_second_address_space(),
        rings={engine: _ring_info(engine, device.hw_ip_info(engine)) for engine in Engine},
    )


def _probe_explicit_sync(device: AmdgpuDeviceHandle) -> Probe:
    error = _clear(device, flags=uapi.AMDGPU_VM_EXPLICIT_SYNC)
    if error == 0:
        return Probe(True, 0, "the kernel accepts AMDGPU_VM_EXPLICIT_SYNC")
    return Probe(False, error, f"GEM_VA with AMDGPU_VM_EXPLICIT_SYNC: {errno_name(error)}")


def _probe_page_table_jobs() -> Probe:
    try:
        mode = module_parameter("vm_update_mode")
    except FeatureMissing as missing:
        return Probe(True, 0, f"taken for granted: {missing}")
    if mode > 0 and mode & _USE_CPU_FOR_GFX:
        return Probe(False, 0, f"the CPU writes page tables, inside the ioctl (amdgpu.vm_update_mode is {mode})")
    return Probe(True, 0, f"the GPU writes page tables (amdgpu.vm_update_mode is {mode})")


def _probe_update_fence(device: AmdgpuDeviceHandle) -> Probe:
    with Syncobj.create(device) as syncobj:
        error = _clear(device, syncobj_out=syncobj.handle)
        if error:
            return Probe(False, error, f"GEM_VA with an output syncobj: {errno_name(error)}")
        if not syncobj.has_fence():
            return Probe(False, 0, "GEM_VA leaves the output syncobj empty (Linux before 6.16)")
    return Probe(True, 0, "GEM_VA puts a fence into the output syncobj")


def _probe_input_fence(device: AmdgpuDeviceHandle) -> Probe:
    control = _clear(device)
    if control:
        return Probe(False, control, f"GEM_VA CLEAR of a free page: {errno_name(control)}")
    error = _clear(device, inputs=(0,))
    if error == errno.EINVAL:
        return Probe(True, 0, "GEM_VA reads its input fences (it refuses syncobj handle 0)")
    why = (
        f"GEM_VA with syncobj handle 0 as input: {errno_name(error)}"
        if error
        else ("GEM_VA ignores its input fences (Linux before 6.16)")
    )
    return Probe(False, error, why)


def _probe_prt(device: AmdgpuDeviceHandle) -> Probe:
    prt = VaOperation(uapi.AMDGPU_VA_OP_MAP, uapi.AMDGPU_VM_PAGE_PRT, 0, PAGE_SIZE)
    error = _try(device, prt, then_clear=True)
    if error:
        return Probe(False, error, f"GEM_VA MAP with AMDGPU_VM_PAGE_PRT: {errno_name(error)}")
    return Probe(True, 0, "the kernel makes PRT mappings")


def _probe_timeline_syncobj(device: AmdgpuDeviceHandle) -> Probe:
    if core.get_cap(device.fd, DRM_CAP_SYNCOBJ_TIMELINE):
        return Probe(True, 0, "the driver has timeline syncobjs")
    return Probe(False, 0, "DRM_CAP_SYNCOBJ_TIMELINE is 0")


def _probe_second_address_space() -> Probe:
    if can_isolate():
        return Probe(True, 0, "libdrm has amdgpu_device_initialize2")
    return Probe(False, 0, "this libdrm opens a GPU once per process (it has no amdgpu_device_initialize2)")


def _clear(device: AmdgpuDeviceHandle, *, flags: int = 0, syncobj_out: int = 0, inputs: tuple[int, ...] = ()) -> int:
    """CLEAR a page where nothing is mapped, which changes nothing; returns the errno or 0."""
    clear = VaOperation(uapi.AMDGPU_VA_OP_CLEAR, flags, 0, PAGE_SIZE, syncobj_out=syncobj_out, inputs=inputs)
    return _try(device, clear)


def _try(device: AmdgpuDeviceHandle, operation: VaOperation, *, then_clear: bool = False) -> int:
    """Do an operation at a scratch address; returns the errno or 0."""
    scratch = AmdgpuVaRange(device, PAGE_SIZE, PAGE_SIZE)
    try:
        bo_va_op(device, None, operation.at(scratch.address))
        if then_clear:
            clear = VaOperation(uapi.AMDGPU_VA_OP_CLEAR, 0, scratch.address, PAGE_SIZE)
            bo_va_op(device, None, clear)
    except DrmError as error:
        return error.errno or 0
    finally:
        scratch.free()
    return 0


def _ring_info(engine: Engine, hw_ip: dict[str, Any]) -> RingInfo:
    mask = hw_ip["available_rings"]
    return RingInfo(
        engine=engine,
        version=ip_version(hw_ip),
        rings=tuple(ring for ring in range(mask.bit_length()) if mask >> ring & 1),
        ib_start_alignment=hw_ip["ib_start_alignment"],
        ib_size_alignment=hw_ip["ib_size_alignment"],
    )
