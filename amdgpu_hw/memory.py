# SPDX-License-Identifier: MIT
"""Buffer objects: where they live, how they behave, and the CPU's view of them."""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import Self

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.libdrm.bo import AmdgpuBoHandle
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.sync import SyncFile, wait_in_slices
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import dma_buf

__all__ = ("PAGE_SIZE", "Buffer", "GiB", "KiB", "MiB")

KiB = 1 << 10
MiB = 1 << 20
GiB = 1 << 30

PAGE_SIZE = uapi.AMDGPU_GPU_PAGE_SIZE
"""The GPU's page, in bytes."""

DOMAINS = {
    "gtt": uapi.AMDGPU_GEM_DOMAIN_GTT,
    "vram": uapi.AMDGPU_GEM_DOMAIN_VRAM,
    "doorbell": uapi.AMDGPU_GEM_DOMAIN_DOORBELL,
    "vram|gtt": uapi.AMDGPU_GEM_DOMAIN_VRAM | uapi.AMDGPU_GEM_DOMAIN_GTT,
}


class Buffer:
    """A buffer object of one open GPU. Made by `Gpu.alloc` or `Gpu.import_buffer`; a context manager.

    Closing it gives the GEM handle back, with which the kernel removes its mappings in the address space. Do not
    allocate or close VRAM buffers while work is gated: the kernel's clear jobs would wait for it (KERNEL.md E2).
    """

    def __init__(self, bo: AmdgpuBoHandle, device: AmdgpuDeviceHandle, *, cpu_access: bool, always_valid: bool) -> None:
        self._bo = bo
        self._device = device
        self._cpu_access = cpu_access
        self._view: memoryview | None = None
        self._closed = False
        self.always_valid = always_valid
        """Whether it belongs to the address space: resident for every submission, listed or not."""

    @classmethod
    def allocate(
        cls,
        device: AmdgpuDeviceHandle,
        size: int,
        *,
        domain: str,
        alignment: int,
        always_valid: bool,
        cpu_access: bool,
        explicit_sync: bool,
        flags: int,
    ) -> Buffer:
        """See `Gpu.alloc`."""
        if domain not in DOMAINS:
            raise ValueError(f"no memory domain '{domain}': choose one of {', '.join(DOMAINS)}")
        if not cpu_access:
            flags |= uapi.AMDGPU_GEM_CREATE_NO_CPU_ACCESS
        elif DOMAINS[domain] & uapi.AMDGPU_GEM_DOMAIN_VRAM:
            flags |= uapi.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED
        flags |= uapi.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID if always_valid else 0
        flags |= uapi.AMDGPU_GEM_CREATE_EXPLICIT_SYNC if explicit_sync else 0
        bo = AmdgpuBoHandle.allocate(device, size, alignment, DOMAINS[domain], flags)
        return cls(bo, device, cpu_access=cpu_access, always_valid=always_valid)

    @classmethod
    def of_user_memory(cls, device: AmdgpuDeviceHandle, size: int) -> Buffer:
        """See `Gpu.alloc_user`."""
        # Private: shared memory is a file's, which ANONONLY refuses.
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        buffer = cls(AmdgpuBoHandle.of_user_memory(device, memory), device, cpu_access=True, always_valid=False)
        buffer._view = memoryview(memory)
        return buffer

    @property
    def bo(self) -> AmdgpuBoHandle:
        """The libdrm object, for the device layer. Raises `ValueError` once closed."""
        if self._closed:
            raise ValueError("the buffer is closed")
        return self._bo

    @property
    def handle(self) -> int:
        """The GEM handle, for raw ioctls and messages."""
        return self.bo.handle

    @property
    def size(self) -> int:
        """Bytes that were asked for."""
        return self._bo.size

    def map(self) -> memoryview:
        """The buffer's memory as bytes, readable and writable; the same view every time.

        The CPU sees what the GPU wrote once the submission's fence has signalled. Raises `FeatureMissing` for a
        buffer without CPU access. Slices and casts of it outlive the buffer.
        """
        if not self._cpu_access:
            raise FeatureMissing("the buffer was allocated without CPU access: pass cpu_access=True to Gpu.alloc")
        bo = self.bo
        if self._view is None:
            self._view = bo.mmap()
        return self._view

    def read(self, offset: int, size: int) -> bytes:
        """Copy bytes out."""
        return bytes(self.map()[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        """Copy bytes in."""
        self.map()[offset : offset + len(data)] = data

    def read_u32(self, offset: int = 0) -> int:
        """One dword, in one load."""
        return int(self.map()[offset : offset + 4].cast("I")[0])

    def write_u32(self, value: int, offset: int = 0) -> None:
        """One dword, in one store."""
        self.map()[offset : offset + 4].cast("I")[0] = value

    def write_u64(self, value: int, offset: int = 0) -> None:
        """One qword, in one store."""
        self.map()[offset : offset + 8].cast("Q")[0] = value

    def fill(self, value: int) -> None:
        """Fill the whole buffer with one dword."""
        self.write(0, struct.pack("<I", value) * (self.size // 4))

    def wait_idle(self, timeout_ns: int = 0) -> bool:
        """Wait until no submission uses the buffer; False on timeout.

        An always-valid buffer is busy while any submission of the address space is. Page-table updates do not
        count (GEM_WAIT_IDLE looks at WRITE and READ fences only).
        """
        bo = self.bo
        return wait_in_slices(lambda until: bo.wait_idle(max(until - time.monotonic_ns(), 0)), timeout_ns)

    def export(self) -> int:
        """A dma-buf descriptor, which the caller owns. Always-valid buffers cannot be exported (EPERM)."""
        return self.bo.export_dma_buf()

    def export_sync_file(self, usage: int) -> SyncFile:
        """What who does ``usage`` (DMA_BUF_SYNC_*) has to wait for: a reader for writers, a writer for readers as well.

        Raises `DrmError`: always-valid buffers cannot be exported (EPERM), and kernels before 6.0 have no such call.
        """
        descriptor = self.export()
        try:
            return SyncFile(ioctl(descriptor, dma_buf.IOCTL_EXPORT_SYNC_FILE, flags=usage)["fd"])
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Unmap it from the CPU and give the GEM handle back."""
        if self._closed:
            return
        self._closed = True
        if self._view is not None:
            self._view.release()
        if not self._device.closed:  # closing the node gave all handles back
            self._bo.free()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __str__(self) -> str:
        kind = "always-valid " if self.always_valid else ""
        return f"{kind}buffer {self._bo.handle} of {self.size:#x} bytes"
