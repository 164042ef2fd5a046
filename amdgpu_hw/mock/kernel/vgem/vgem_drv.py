# SPDX-License-Identifier: MIT
"""The virtual GEM device: buffers without a GPU (vgem_drv.c)."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.memfd import memfd_create
from amdgpu_hw.mock.kernel.drm.drm_drv import DRM_RENDER_ALLOW, DrmDevice, DrmDriver, DrmIoctlDesc
from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject, drm_gem_handle_create, drm_gem_object_release
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.kernel.vgem.vgem_fence import (
    vgem_fence_attach_ioctl,
    vgem_fence_close,
    vgem_fence_open,
    vgem_fence_signal_ioctl,
)
from amdgpu_hw.uapi import vgem_drm as uapi
from amdgpu_hw.uapi.drm import DRM_MINOR_RENDER_BASE

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.dma_buf.dma_buf import DmaBuf
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("MemfdObject", "probe")


class MemfdObject(DrmGemObject):
    """A dumb buffer in a memfd of its own, or one around a foreign dma-buf's memory."""

    __slots__ = ("_fd",)

    def __init__(self, dev: DrmDevice, size: int, imported: bool = False) -> None:
        try:
            self._fd = -1 if imported else memfd_create("vgem", size)
        except OSError as error:
            raise KernelError(errno.ENOMEM, f"{size} bytes: {error}") from error
        super().__init__(dev, size)

    def mmap(self, offset: int, length: int, prot: int, flags: int) -> tuple[int, int]:
        """The memfd; an imported buffer is mapped by its exporter."""
        if self.import_attach is not None:
            return self.import_attach.mmap(offset, length, prot, flags)
        return self._fd, offset

    def pages(self) -> tuple[int, int]:
        """The memfd."""
        return self._fd, 0

    def free(self) -> None:
        """Give the memory back; mappings of clients keep their pages."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        drm_gem_object_release(self)


def vgem_open(dev: DrmDevice, filp: DrmFile) -> None:
    """Each file has its own fences."""
    vgem_fence_open(filp)


def vgem_postclose(dev: DrmDevice, filp: DrmFile) -> None:
    """Whatever the file has not signalled is signalled now."""
    vgem_fence_close(filp)


def create_dumb(filp: DrmFile, dev: DrmDevice, width: int, height: int, bpp: int) -> tuple[int, int, int]:
    """A buffer of whole pages (`drm_gem_shmem_dumb_create`): handle, pitch, size."""
    pitch = -(-width * bpp // 8)
    size = -(-pitch * height // PAGE_SIZE) * PAGE_SIZE
    obj = MemfdObject(dev, size)
    try:
        handle = drm_gem_handle_create(filp, obj)
    finally:
        obj.put()  # The handle holds it.
    return handle, pitch, size


def import_sg_table(dev: DrmDevice, dma_buf: DmaBuf) -> MemfdObject:
    """An object for the memory of another device's buffer."""
    return MemfdObject(dev, dma_buf.size, imported=True)


_DRIVER = DrmDriver(
    name="vgem",
    desc="Virtual GEM provider",
    version=(1, 0, 0),
    ioctls={
        ioctl.nr: DrmIoctlDesc(ioctl, DRM_RENDER_ALLOW, func)
        for ioctl, func in (
            (uapi.IOCTL_FENCE_ATTACH, vgem_fence_attach_ioctl),
            (uapi.IOCTL_FENCE_SIGNAL, vgem_fence_signal_ioctl),
        )
    },
    open=vgem_open,
    postclose=vgem_postclose,
    dumb_create=create_dumb,
    gem_prime_import_sg_table=import_sg_table,
)


def probe(kernel: Kernel, index: int) -> DrmDevice:
    """Load vgem: its nodes are card ``index`` and renderD 128 + ``index``."""
    return DrmDevice(kernel, _DRIVER, DRM_MINOR_RENDER_BASE + index, index, unique="vgem")
