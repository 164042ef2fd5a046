# SPDX-License-Identifier: MIT
"""A render node for the benchmark's clients: ioctls timed in C, around the system call and nothing else."""

from __future__ import annotations

import mmap
import os
from typing import Any

from amdgpu_hw.libdrm._libdrm import ffi, lib

from amdgpu_hw.discovery import select_gpu
from amdgpu_hw.errors import DrmError
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.uapi import amdgpu_drm, drm
from amdgpu_hw.uapi.layout import Ioctl, Struct

__all__ = ("GET_CAP_ARGUMENT", "NODE", "READ_WRITE_EXECUTE", "AmdgpuNode", "BareNode", "address_of")

NODE = "/dev/dri/renderD128"
NOT_A_DRM_IOCTL = 0x5A00
"""A request of another type: it is refused without a look at its argument."""
GET_CAP_ARGUMENT = drm.GET_CAP.pack(capability=drm.DRM_CAP_SYNCOBJ)
READ_WRITE_EXECUTE = (
    amdgpu_drm.AMDGPU_VM_PAGE_READABLE | amdgpu_drm.AMDGPU_VM_PAGE_WRITEABLE | amdgpu_drm.AMDGPU_VM_PAGE_EXECUTABLE
)


def address_of(buffer: bytearray) -> int:
    """Address of a buffer's bytes, for a pointer in another struct."""
    return int(ffi.cast("uintptr_t", ffi.from_buffer(buffer)))


class BareNode:
    """A descriptor of the node, whatever answers behind it."""

    def __init__(self, path: str = NODE) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def timed(self, request: int, argument: bytearray) -> float:
        """One ioctl; its time in us. Raises `DrmError`."""
        elapsed = ffi.new("uint64_t *")
        result = lib.glue_timed_ioctl(self.fd, request, ffi.from_buffer(argument), True, elapsed)
        if result:
            raise DrmError(-result, f"ioctl {request:#x}")
        return float(elapsed[0]) / 1000

    def timed_refusal(self) -> float:
        """An ioctl that nobody knows; its time in us."""
        elapsed = ffi.new("uint64_t *")
        if not lib.glue_timed_ioctl(self.fd, NOT_A_DRM_IOCTL, ffi.NULL, True, elapsed):
            raise AssertionError(f"the node took ioctl {NOT_A_DRM_IOCTL:#x}")
        return float(elapsed[0]) / 1000


class AmdgpuNode(BareNode):
    """The first amdgpu node, with one address space; what is made on it stays until the process ends."""

    def __init__(self) -> None:
        super().__init__(select_gpu().node)

    def call(self, request: Ioctl, out: Struct | None = None, **fields: int) -> dict[str, Any]:
        """Any ioctl, with fields by name, not timed. Raises `DrmError`."""
        return ioctl(self.fd, request, out=out, **fields)

    def buffer(self, size: int) -> int:
        """Allocate a GTT buffer; returns its handle."""
        made = self.call(
            amdgpu_drm.IOCTL_AMDGPU_GEM_CREATE,
            out=amdgpu_drm.GEM_CREATE_OUT,
            bo_size=size,
            alignment=mmap.PAGESIZE,
            domains=amdgpu_drm.AMDGPU_GEM_DOMAIN_GTT,
        )
        return int(made["handle"])

    def fill(self, handle: int, data: bytes) -> None:
        """Write to the beginning of a buffer."""
        place = self.call(amdgpu_drm.IOCTL_AMDGPU_GEM_MMAP, out=amdgpu_drm.GEM_MMAP_OUT, handle=handle)
        with mmap.mmap(self.fd, len(data), offset=place["addr_ptr"]) as memory:
            memory[:] = data

    @staticmethod
    def gem_va(operation: int, handle: int, address: int, size: int, offset: int = 0) -> bytearray:
        """Return the argument of a GEM_VA."""
        return bytearray(
            amdgpu_drm.GEM_VA.pack(
                handle=handle,
                operation=operation,
                flags=READ_WRITE_EXECUTE,
                va_address=address,
                offset_in_bo=offset,
                map_size=size,
            )
        )
