# SPDX-License-Identifier: MIT
"""Fences that user space signals (vgem_fence.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ, DMA_RESV_USAGE_WRITE, dma_resv_usage_rw
from amdgpu_hw.mock.kernel.drm.drm_gem import drm_gem_object_lookup
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.idr import Idr
from amdgpu_hw.uapi import vgem_drm as uapi

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.loop import TimerHandle
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller
    from amdgpu_hw.mock.kernel.kernel import Kernel
    from amdgpu_hw.mock.kernel.wait import Blocking

__all__ = ("VgemFence", "vgem_fence_attach_ioctl", "vgem_fence_close", "vgem_fence_open", "vgem_fence_signal_ioctl")


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


def vgem_fence_open(filp: DrmFile) -> None:
    """Give a new file its own fences."""
    filp.driver_priv = Idr[VgemFence]()


def vgem_fence_close(filp: DrmFile) -> None:
    """Signal whatever the file has not signalled."""
    fences: Idr[VgemFence] = filp.driver_priv
    for _, fence in fences.items():
        fence.signal()
