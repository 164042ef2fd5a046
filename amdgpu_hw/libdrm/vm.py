# SPDX-License-Identifier: MIT
"""libdrm_amdgpu's view of a GPU VM: the VA range manager (amdgpu_vamgr.c) and GEM_VA (amdgpu_bo.c)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from amdgpu_hw.errors import DrmError
from amdgpu_hw.libdrm.bo import AmdgpuBoHandle
from amdgpu_hw.libdrm.calls import check, ffi, lib
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.uapi.amdgpu_drm import GEM_VA, IOCTL_AMDGPU_GEM_VA

__all__ = ("AmdgpuVaRange", "VaOperation", "bo_va_op", "raw_va_op")


class AmdgpuVaRange:
    """Virtual addresses that libdrm's VA manager gave out; nothing else in this process gets them until `free`.

    ``low`` wants them below the hole in the middle of the address space.
    """

    def __init__(self, device: AmdgpuDeviceHandle, size: int, alignment: int, *, low: bool = False) -> None:
        address = ffi.new("uint64_t *")
        handle = ffi.new("amdgpu_va_handle *")
        ret = lib.amdgpu_va_range_alloc(
            device.handle,
            lib.amdgpu_gpu_va_range_general,
            size,
            alignment,
            0,
            address,
            handle,
            # High as Mesa does; libdrm uses the low range where there is no high one.
            0 if low else lib.AMDGPU_VA_RANGE_HIGH,
        )
        check(ret, "amdgpu_va_range_alloc", size=size, alignment=alignment)
        self._handle = handle[0]
        self.address = int(address[0])

    def free(self) -> None:
        """Give the addresses back."""
        check(lib.amdgpu_va_range_free(self._handle), "amdgpu_va_range_free", address=self.address)


class VaOperation(NamedTuple):
    """The arguments of one GEM_VA: numbers as the kernel takes them, syncobjs as handles."""

    operation: int
    flags: int
    address: int
    size: int
    offset: int = 0
    syncobj_out: int = 0
    point_out: int = 0
    inputs: Sequence[int] = ()

    def at(self, address: int) -> VaOperation:
        """The same operation at another address."""
        return self._replace(address=address)


class _GemVa(NamedTuple):
    """What GEM_VA is told beside the buffer: the struct's fields, in the order of amdgpu_bo_va_op_raw2's parameters."""

    offset_in_bo: int
    map_size: int
    va_address: int
    flags: int
    operation: int
    vm_timeline_syncobj_out: int
    vm_timeline_point: int
    input_fence_syncobj_handles: int
    num_syncobj_handles: int


def bo_va_op(device: AmdgpuDeviceHandle, bo: AmdgpuBoHandle | None, va: VaOperation) -> int:
    """GEM_VA; returns the nanoseconds that the call took. Raises `DrmError`.

    Through `amdgpu_bo_va_op_raw2`, or the same ioctl from here where libdrm is too old to have it (its
    `amdgpu_bo_va_op_raw` can pass no syncobjs).
    """
    inputs = ffi.new("uint32_t[]", list(va.inputs)) if va.inputs else ffi.NULL
    arguments = _GemVa(
        operation=va.operation,
        flags=va.flags,
        va_address=va.address,
        offset_in_bo=va.offset,
        map_size=va.size,
        vm_timeline_syncobj_out=va.syncobj_out,
        vm_timeline_point=va.point_out,
        input_fence_syncobj_handles=int(ffi.cast("uintptr_t", inputs)),
        num_syncobj_handles=len(va.inputs),
    )
    handle = bo.handle if bo else 0
    elapsed = ffi.new("uint64_t *")
    if lib.glue_has_bo_va_op_raw2():
        ret = lib.glue_bo_va_op_raw2(device.handle, bo.bo if bo else ffi.NULL, *arguments, elapsed)
    else:
        ret = _timed_gem_va(device, elapsed, handle=handle, **arguments._asdict())
    if ret:
        named = {"handle": handle, **arguments._asdict(), "inputs": list(va.inputs)}
        raise DrmError(-ret, IOCTL_AMDGPU_GEM_VA.name, named)
    return int(elapsed[0])


def raw_va_op(device: AmdgpuDeviceHandle, *, once: int = 0, **fields: int) -> int:
    """GEM_VA with the struct's fields as they are, however wrong; returns the nanoseconds that the ioctl took.

    With ``once`` it is not started again after a signal, which then ends it with EINTR.
    """
    elapsed = ffi.new("uint64_t *")
    check(_timed_gem_va(device, elapsed, once=once, **fields), IOCTL_AMDGPU_GEM_VA.name, **fields)
    return int(elapsed[0])


def _timed_gem_va(device: AmdgpuDeviceHandle, elapsed: Any, once: int = 0, **fields: int) -> int:
    argument = bytearray(GEM_VA.pack(**fields))
    request = IOCTL_AMDGPU_GEM_VA.request
    ret: int = lib.glue_timed_ioctl(device.fd, request, ffi.from_buffer(argument), not once, elapsed)
    return ret
