# SPDX-License-Identifier: MIT
"""What kernel and GPU can do, found out by doing it on scratch addresses.

The driver's version number says nothing about the explicit-sync series (KERNEL.md 0.1), and what came with Linux
6.16 is silently ignored by older kernels (KERNEL.md 0.3), so every probe looks at what the call did.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from amdgpu_hw.errors import DrmError, errno_name
from amdgpu_hw.identity import IpVersion, ip_version
from amdgpu_hw.libdrm import core
from amdgpu_hw.libdrm.device import AmdgpuDevice, can_isolate
from amdgpu_hw.libdrm.vm import AmdgpuVaRange, VaOperation, bo_va_op
from amdgpu_hw.packets.engine import Engine
from amdgpu_hw.sync import Syncobj
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi.drm import DRM_CAP_SYNCOBJ_TIMELINE

__all__ = ("Capabilities", "Probe", "RingInfo")

_PAGE = 4096


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


class Capabilities:
    """The probes of one open GPU; each runs once, when first asked for, and leaves nothing behind."""

    def __init__(self, device: AmdgpuDevice) -> None:
        self._device = device

    @cached_property
    def explicit_sync(self) -> Probe:
        """AMDGPU_VM_EXPLICIT_SYNC: whether a CLEAR of nothing accepts the flag (KERNEL.md 0.1)."""
        error = self._clear(flags=uapi.AMDGPU_VM_EXPLICIT_SYNC)
        if error == 0:
            return Probe(True, 0, "the kernel accepts AMDGPU_VM_EXPLICIT_SYNC")
        return Probe(False, error, f"GEM_VA with AMDGPU_VM_EXPLICIT_SYNC: {errno_name(error)}")

    @cached_property
    def update_fence(self) -> Probe:
        """The update fence of GEM_VA: whether one appears in the syncobj. Kernels before 6.16 leave it empty."""
        with Syncobj.create(self._device) as syncobj:
            error = self._clear(syncobj_out=syncobj.handle)
            if error:
                return Probe(False, error, f"GEM_VA with an output syncobj: {errno_name(error)}")
            if not syncobj.has_fence():
                return Probe(False, 0, "GEM_VA leaves the output syncobj empty (Linux before 6.16)")
        return Probe(True, 0, "GEM_VA puts a fence into the output syncobj")

    @cached_property
    def input_fence(self) -> Probe:
        """The input fences of GEM_VA: whether it looks at them. Kernels that do refuse handle 0."""
        control = self._clear()
        if control:
            return Probe(False, control, f"GEM_VA CLEAR of a free page: {errno_name(control)}")
        error = self._clear(inputs=(0,))
        if error == errno.EINVAL:
            return Probe(True, 0, "GEM_VA reads its input fences (it refuses syncobj handle 0)")
        why = (
            f"GEM_VA with syncobj handle 0 as input: {errno_name(error)}"
            if error
            else ("GEM_VA ignores its input fences (Linux before 6.16)")
        )
        return Probe(False, error, why)

    @cached_property
    def prt(self) -> Probe:
        """PRT mappings: whether one is accepted, and taken away again."""
        error = self._try(VaOperation(uapi.AMDGPU_VA_OP_MAP, uapi.AMDGPU_VM_PAGE_PRT, 0, _PAGE), then_clear=True)
        if error:
            return Probe(False, error, f"GEM_VA MAP with AMDGPU_VM_PAGE_PRT: {errno_name(error)}")
        return Probe(True, 0, "the kernel makes PRT mappings")

    @cached_property
    def timeline_syncobj(self) -> Probe:
        """Timeline syncobjs (DRM_CAP_SYNCOBJ_TIMELINE)."""
        if core.get_cap(self._device.fd, DRM_CAP_SYNCOBJ_TIMELINE):
            return Probe(True, 0, "the driver has timeline syncobjs")
        return Probe(False, 0, "DRM_CAP_SYNCOBJ_TIMELINE is 0")

    @cached_property
    def second_address_space(self) -> Probe:
        """More than one address space per process: a matter of libdrm, not of the kernel."""
        if can_isolate():
            return Probe(True, 0, "libdrm has amdgpu_device_initialize2")
        return Probe(False, 0, "this libdrm opens a GPU once per process (it has no amdgpu_device_initialize2)")

    @cached_property
    def rings(self) -> Mapping[Engine, RingInfo]:
        """The rings that take submissions, by engine; an engine that the GPU lacks has no ring numbers."""
        return {engine: _ring_info(engine, self._device.hw_ip_info(engine)) for engine in Engine}

    def probes(self) -> dict[str, Probe]:
        """All yes-or-no probes by name."""
        names = ("explicit_sync", "update_fence", "input_fence", "prt", "timeline_syncobj", "second_address_space")
        return {name: getattr(self, name) for name in names}

    def _clear(self, *, flags: int = 0, syncobj_out: int = 0, inputs: tuple[int, ...] = ()) -> int:
        """CLEAR a page where nothing is mapped, which changes nothing; returns the errno or 0."""
        return self._try(VaOperation(uapi.AMDGPU_VA_OP_CLEAR, flags, 0, _PAGE, syncobj_out=syncobj_out, inputs=inputs))

    def _try(self, operation: VaOperation, *, then_clear: bool = False) -> int:
        """Do an operation at a scratch address; returns the errno or 0."""
        scratch = AmdgpuVaRange(self._device, _PAGE, _PAGE)
        try:
            bo_va_op(self._device, None, operation.at(scratch.address))
            if then_clear:
                clear = VaOperation(uapi.AMDGPU_VA_OP_CLEAR, 0, scratch.address, _PAGE)
                bo_va_op(self._device, None, clear)
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
