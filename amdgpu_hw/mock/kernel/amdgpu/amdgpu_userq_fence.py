# SPDX-License-Identifier: MIT
"""Fences of user queues: amdgpu_userq_fence.c.

No scheduler is behind them, so nobody owns them (KERNEL.md F12). A fence's number is the queue's write pointer; it has
signalled when the hardware has told a read pointer that is not before that.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.gem import gem_object_lookup
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ, DMA_RESV_USAGE_WRITE
from amdgpu_hw.mock.kernel.drm.drm_exec import drm_exec_fini, lock_all
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_find, drm_syncobj_replace_fence
from amdgpu_hw.mock.kernel.errno_ import ENOTSUPP, KernelError
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi.amdgpu_drm import USERQ_SIGNAL

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = (
    "AmdgpuUserqFence",
    "AmdgpuUserqFenceDriver",
    "amdgpu_userq_signal_ioctl",
    "amdgpu_userq_wait_ioctl",
    "require_user_queues",
)

AMDGPU_USERQ_MAX_HANDLES = 1 << 16
_U16_MAX = 0xFFFF


def require_user_queues(adev: AmdgpuDevice) -> None:
    """Raise ENOTSUPP on a device that offers no user queues (amdgpu_userq_enabled)."""
    if not adev.userq_ip_mask:
        raise KernelError(ENOTSUPP, "Usermode queues are not supported on this device")


class AmdgpuUserqFence(DmaFence):
    """`struct amdgpu_userq_fence`."""


class AmdgpuUserqFenceDriver:
    """`struct amdgpu_userq_fence_driver`: a queue's timeline, and what is pending on it, oldest first."""

    def __init__(self, timeline_name: str) -> None:
        self.context = dma_fence_context_alloc(1)
        self.timeline_name = timeline_name
        self.rptr = 0
        """What the hardware has told (seq64)."""
        self.fences: list[AmdgpuUserqFence] = []

    def new_fence(self, wptr: int) -> AmdgpuUserqFence:
        """Return the fence of what is in the ring before ``wptr`` (dwords); signalled when that is executed already."""
        fence = AmdgpuUserqFence(self.context, wptr, "amdgpu_userq_fence", self.timeline_name)
        self.fences.append(fence)
        self.process(self.rptr)
        return fence

    def process(self, rptr: int, error: int = 0) -> None:
        """Note a read pointer, and signal what it covers (amdgpu_userq_fence_driver_process)."""
        self.rptr = rptr
        done = [fence for fence in self.fences if fence.seqno <= rptr]
        self.fences = [fence for fence in self.fences if fence.seqno > rptr]
        for fence in done:
            fence.signal(error or fence.error)

    def force_completion(self, *, last_only: bool) -> None:
        """Cancel what is pending: the queue is gone (amdgpu_userq_fence_driver_force_completion).

        ``last_only``: only the last fence tells of it (7.2, 7.3), those before it end well.
        """
        if self.fences:
            last = self.fences[-1]
            if last_only:
                last.set_error(-errno.ECANCELED)
            self.process(last.seqno, 0 if last_only else -errno.ECANCELED)


def amdgpu_userq_signal_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> Blocking[int]:
    """DRM_IOCTL_AMDGPU_USERQ_SIGNAL: a fence of all that is in a queue's ring, for syncobjs and buffers.

    ENOTSUPP without user queues, EINVAL for too many handles, EFAULT, ENOENT for unknown ones and for the queue.

    Leaves out: eviction fences, and the tracepoint.
    """
    fpriv: AmdgpuFpriv = filp.driver_priv
    require_user_queues(fpriv.adev)
    queue_id, _pad, syncobjs, num_syncobjs, reads, writes, num_reads, num_writes = USERQ_SIGNAL.unpack_from(data)
    if fpriv.adev.variant.userq_fence_handles_u16:
        num_syncobjs &= _U16_MAX  # what follows it there is padding that nobody looks at
    if max(num_syncobjs, num_reads, num_writes) > AMDGPU_USERQ_MAX_HANDLES:
        raise KernelError(errno.EINVAL, "too many handles")
    signalled = [drm_syncobj_find(filp, handle) for handle in _handles(caller, syncobjs, num_syncobjs)]
    if None in signalled:
        raise KernelError(errno.ENOENT, "syncobj")
    read = [gem_object_lookup(filp, handle) for handle in _handles(caller, reads, num_reads)]
    written = [gem_object_lookup(filp, handle) for handle in _handles(caller, writes, num_writes)]
    queue = fpriv.userqs.find(queue_id)
    if queue is None:
        raise KernelError(errno.ENOENT, f"queue {queue_id}")
    fence = queue.new_fence()
    locked = yield from lock_all([obj.resv for obj in (*read, *written)], interruptible=True)
    for usage, objects in ((DMA_RESV_USAGE_READ, read), (DMA_RESV_USAGE_WRITE, written)):
        for obj in objects:
            obj.resv.add_fence(fence, usage)
    for syncobj in signalled:
        assert syncobj is not None, "all were found"
        drm_syncobj_replace_fence(syncobj, fence)
    drm_exec_fini(locked)
    return 0


def _handles(caller: Caller, address: int, count: int) -> list[int]:
    return list(memoryview(caller.copy_from_user(address, 4 * count)).cast("I")) if count else []


def amdgpu_userq_wait_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_USERQ_WAIT: where to find fences of other queues is not modelled; ENOTSUPP without any."""
    fpriv: AmdgpuFpriv = filp.driver_priv
    require_user_queues(fpriv.adev)
    fpriv.adev.warn("DRM_IOCTL_AMDGPU_USERQ_WAIT is not modelled")
    raise KernelError(errno.EOPNOTSUPP, "USERQ_WAIT is not modelled")
