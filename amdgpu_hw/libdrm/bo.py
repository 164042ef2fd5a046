# SPDX-License-Identifier: MIT
"""libdrm_amdgpu's buffer objects (amdgpu_bo.c)."""

from __future__ import annotations

import mmap

from amdgpu_hw.libdrm.calls import check, check_errno, ffi, lib
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.uapi.amdgpu_drm import GEM_MMAP_OUT, IOCTL_AMDGPU_GEM_MMAP

__all__ = ("AmdgpuBoHandle",)


class AmdgpuBoHandle:
    """One buffer object; made by `allocate` or `import_dma_buf`, given back by `free`."""

    def __init__(self, device: AmdgpuDeviceHandle, bo: object, size: int) -> None:
        self._device = device
        self.bo = bo
        self.size = size
        handle = ffi.new("uint32_t *")
        check(lib.amdgpu_bo_export(bo, lib.amdgpu_bo_handle_type_kms, handle), "amdgpu_bo_export")
        self.handle = int(handle[0])

    @classmethod
    def allocate(
        cls, device: AmdgpuDeviceHandle, size: int, alignment: int, domains: int, flags: int
    ) -> AmdgpuBoHandle:
        """GEM_CREATE."""
        request = ffi.new("struct amdgpu_bo_alloc_request *")
        request.alloc_size, request.phys_alignment = size, alignment
        request.preferred_heap, request.flags = domains, flags
        bo = ffi.new("amdgpu_bo_handle *")
        ret = lib.amdgpu_bo_alloc(device.handle, request, bo)
        check(ret, "DRM_IOCTL_AMDGPU_GEM_CREATE", bo_size=size, domains=domains, flags=flags)
        return cls(device, bo[0], size)

    @classmethod
    def of_user_memory(cls, device: AmdgpuDeviceHandle, memory: mmap.mmap) -> AmdgpuBoHandle:
        """GEM_USERPTR: a buffer object of anonymous memory of this process, which has to outlive it."""
        view = ffi.from_buffer(memory)
        bo = ffi.new("amdgpu_bo_handle *")
        ret = lib.amdgpu_create_bo_from_user_mem(device.handle, view, len(memory), bo)
        check(ret, "DRM_IOCTL_AMDGPU_GEM_USERPTR", size=len(memory))
        return cls(device, bo[0], len(memory))

    @classmethod
    def import_dma_buf(cls, device: AmdgpuDeviceHandle, fd: int) -> AmdgpuBoHandle:
        """PRIME_FD_TO_HANDLE; a buffer that this device already has comes back as the same GEM handle."""
        result = ffi.new("struct amdgpu_bo_import_result *")
        ret = lib.amdgpu_bo_import(device.handle, lib.amdgpu_bo_handle_type_dma_buf_fd, fd, result)
        if ret < 0:
            # The first step, drmPrimeFDToHandle, reports in errno, the others in the value (-1 is EPERM there).
            check_errno(ret, "DRM_IOCTL_PRIME_FD_TO_HANDLE", fd=fd) if ret == -1 else check(
                ret, "amdgpu_bo_import", fd=fd
            )
        return cls(device, result.buf_handle, int(result.alloc_size))

    def free(self) -> None:
        """GEM_CLOSE, once every import of it has been given back."""
        check(lib.amdgpu_bo_free(self.bo), "amdgpu_bo_free")

    def export_dma_buf(self) -> int:
        """PRIME_HANDLE_TO_FD: a new descriptor, close-on-exec."""
        fd = ffi.new("uint32_t *")
        ret = lib.amdgpu_bo_export(self.bo, lib.amdgpu_bo_handle_type_dma_buf_fd, fd)
        check_errno(ret, "DRM_IOCTL_PRIME_HANDLE_TO_FD", handle=self.handle)
        return int(fd[0])

    def wait_idle(self, timeout_ns: int) -> bool:
        """GEM_WAIT_IDLE: False if jobs still use the buffer after this many nanoseconds."""
        busy = ffi.new("bool *")
        ret = lib.amdgpu_bo_wait_for_idle(self.bo, timeout_ns, busy)
        check(ret, "DRM_IOCTL_AMDGPU_GEM_WAIT_IDLE", handle=self.handle)
        return not busy[0]

    def mmap(self) -> memoryview:
        """Map the buffer into this process, readable and writable.

        Not with `amdgpu_bo_cpu_map`, whose mapping ends with the BO: this one ends when Python has no view of it
        any more, so that using a forgotten slice is no segmentation fault.
        """
        fd = self._device.fd
        offset = ioctl(fd, IOCTL_AMDGPU_GEM_MMAP, out=GEM_MMAP_OUT, handle=self.handle)["addr_ptr"]
        size = -(-self.size // mmap.PAGESIZE) * mmap.PAGESIZE
        address = lib.mmap(ffi.NULL, size, lib.PROT_READ | lib.PROT_WRITE, lib.MAP_SHARED, fd, offset)
        failed = int(ffi.cast("intptr_t", address)) == -1
        check_errno(-1 if failed else 0, "mmap", handle=self.handle, offset=offset, size=size)
        mapping = ffi.gc(ffi.cast("char *", address), lambda memory: lib.munmap(memory, size), size)
        return memoryview(ffi.buffer(mapping, self.size))
