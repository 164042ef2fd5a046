# SPDX-License-Identifier: MIT
"""The virtual GEM device: buffers without a GPU, and fences that user space signals (drivers/gpu/drm/vgem)."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.loop import TimerHandle
from amdgpu_hw.gpu_model.memfd import memfd_create
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ, DMA_RESV_USAGE_WRITE, dma_resv_usage_rw
from amdgpu_hw.mock.kernel.drm.drm_drv import DRM_RENDER_ALLOW, DrmDevice, DrmDriver, DrmIoctlDesc
from amdgpu_hw.mock.kernel.drm.drm_gem import (
    DrmGemObject,
    drm_gem_handle_create,
    drm_gem_object_lookup,
    drm_gem_object_release,
)
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.idr import Idr
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import vgem_drm as uapi
from amdgpu_hw.uapi.drm import DRM_MINOR_RENDER_BASE

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.dma_buf.dma_buf import DmaBuf
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("MemfdObject", "VgemFence", "probe")

_PAGE_SIZE = 4096


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


class VgemFence(DmaFence):
    """A fence that user space signals, or that signals itself after 10 s (`vgem_fence_timeout`)."""

    __slots__ = ("_timer",)

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(dma_fence_context_alloc(1), 1, "vgem", "unbound")
        self._timer: TimerHandle = kernel.timers.call_at(kernel.now() + uapi.FENCE_TIMEOUT_NS, self._expired)

    def signal(self, error: int = 0) -> bool:
        """As `DmaFence.signal`; the timer is not needed any more."""
        self._timer.cancel()
        return super().signal(error)

    def _expired(self) -> None:
        self.signal()


def vgem_fence_attach_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> Blocking[int]:
    """FENCE_ATTACH: EINVAL for flags and padding, ENOENT for an unknown handle, EBUSY with a conflicting fence."""
    handle, flags, _, pad = uapi.FENCE_ATTACH.unpack_from(data)
    if flags & ~uapi.VGEM_FENCE_WRITE:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    if pad:
        raise KernelError(errno.EINVAL, f"pad {pad:#x}")
    obj = drm_gem_object_lookup(filp, handle)
    if obj is None:
        raise KernelError(errno.ENOENT, f"handle {handle}")
    write = bool(flags & uapi.VGEM_FENCE_WRITE)
    resv = obj.resv
    if not resv.test_signaled(dma_resv_usage_rw(write)):
        raise KernelError(errno.EBUSY, "conflicting fence")
    yield from resv.lock(interruptible=False)
    fence = VgemFence(dev.kernel)
    resv.add_fence(fence, DMA_RESV_USAGE_WRITE if write else DMA_RESV_USAGE_READ)
    resv.unlock()
    fences: Idr[VgemFence] = filp.driver_priv
    uapi.FENCE_ATTACH.pack_into(data, 0, handle, flags, fences.alloc(fence), pad)
    return 0


def vgem_fence_signal_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """FENCE_SIGNAL: EINVAL for flags, ENOENT when unknown or used before, ETIMEDOUT when it had signalled itself."""
    handle, flags = uapi.FENCE_SIGNAL.unpack_from(data)
    if flags:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    fences: Idr[VgemFence] = filp.driver_priv
    # The number stays taken, as in the kernel: a second signal must not hit a newer fence.
    fence = fences.replace(handle, None)
    if fence is None:
        raise KernelError(errno.ENOENT, f"fence {handle} was signalled before")
    if not fence.signal():
        raise KernelError(errno.ETIMEDOUT, f"fence {handle} expired")
    return 0


def vgem_open(dev: DrmDevice, filp: DrmFile) -> None:
    """Each file has its own fences."""
    filp.driver_priv = Idr[VgemFence]()


def vgem_postclose(dev: DrmDevice, filp: DrmFile) -> None:
    """Whatever the file has not signalled is signalled now (`vgem_fence_close`)."""
    fences: Idr[VgemFence] = filp.driver_priv
    for _, fence in fences.items():
        fence.signal()


def create_dumb(filp: DrmFile, dev: DrmDevice, width: int, height: int, bpp: int) -> tuple[int, int, int]:
    """A buffer of whole pages (`drm_gem_shmem_dumb_create`): handle, pitch, size."""
    pitch = -(-width * bpp // 8)
    size = -(-pitch * height // _PAGE_SIZE) * _PAGE_SIZE
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
