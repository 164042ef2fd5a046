# SPDX-License-Identifier: MIT
"""Syncobjs: containers for a fence that user space holds by handle (drivers/gpu/drm/drm_syncobj.c).

A timeline is a syncobj whose fence is a `DmaFenceChain`. Waiting and what looks at several syncobjs at once is in
`wait`.
"""

from __future__ import annotations

import errno
import itertools
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_allocate_private_stub, dma_fence_get_stub
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import (
    DmaFenceChain,
    dma_fence_chain_find_seqno,
    dma_fence_chain_for_each,
)
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_unwrap import dma_fence_unwrap_merge
from amdgpu_hw.mock.kernel.dma_buf.sync_file import install_sync_file, sync_file_get_fence
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from amdgpu_hw.mock.kernel.fault_injection import AllocSite
from amdgpu_hw.mock.kernel.file import File
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, WaitQueue, Wake
from amdgpu_hw.uapi import drm as uapi

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = (
    "DrmSyncobj",
    "PointListener",
    "SharedSyncobj",
    "SyncobjWaitEntry",
    "check_syncobj_feature",
    "drm_syncobj_add_point",
    "drm_syncobj_assign_null_handle",
    "drm_syncobj_create",
    "drm_syncobj_create_ioctl",
    "drm_syncobj_destroy_ioctl",
    "drm_syncobj_fd_to_handle_ioctl",
    "drm_syncobj_find",
    "drm_syncobj_find_fence",
    "drm_syncobj_get_fd",
    "drm_syncobj_get_handle",
    "drm_syncobj_handle_to_fd_ioctl",
    "drm_syncobj_release",
    "drm_syncobj_replace_fence",
    "drm_syncobj_transfer_ioctl",
)

DRM_SYNCOBJ_WAIT_FOR_SUBMIT_TIMEOUT = 5_000_000_000
"""How long `drm_syncobj_find_fence` waits for a fence to appear, ns."""

_COLLECT_NODES = 32


class PointListener(Protocol):
    """Wants to know when a syncobj gets a fence: a waiter, or an eventfd."""

    def fence_added(self, syncobj: DrmSyncobj) -> bool:
        """The syncobj has a new fence; True when that was what the listener waited for."""

    def cancel(self) -> None:
        """The syncobj is gone: nothing will come any more."""


class DrmSyncobj:
    """`struct drm_syncobj`; ``fence`` is None after creation and reset.

    Made with one reference. Each handle and each descriptor's file holds one.
    """

    __slots__ = ("fence", "listeners", "refcount")

    def __init__(self) -> None:
        self.fence: DmaFence | None = None
        self.refcount = 1
        self.listeners: list[PointListener] | None = None

    def get(self) -> DrmSyncobj:
        """Take a reference."""
        self.refcount += 1
        return self

    def put(self) -> None:
        """Drop a reference; with the last one the fence is dropped and the eventfds are given up."""
        self.refcount -= 1
        if not self.refcount:
            self.fence = None
            listeners, self.listeners = self.listeners, None
            for listener in listeners or ():
                listener.cancel()

    def add_listener(self, listener: PointListener) -> None:
        """Tell ``listener`` about each new fence until it has what it waits for."""
        if self.listeners is None:
            self.listeners = []
        self.listeners.append(listener)

    def remove_listener(self, listener: PointListener) -> None:
        """Take back `add_listener`; harmless when it is over."""
        if self.listeners is not None and listener in self.listeners:
            self.listeners.remove(listener)

    def notify(self) -> None:
        """The fence has changed."""
        if self.listeners:
            self.listeners = [listener for listener in self.listeners if not listener.fence_added(self)]

    def find_point(self, point: int) -> DmaFence | None:
        """The fence of a point, a signalled stub if it is long done; None when it has not been submitted yet."""
        fence = self.fence
        if fence is None:
            return None
        try:
            return dma_fence_chain_find_seqno(fence, point) or dma_fence_get_stub()
        except KernelError:
            return None


class SharedSyncobj(File):
    """A descriptor of a syncobj, to pass it to another file or process."""

    name = "anon_inode:syncobj_file"

    def __init__(self, syncobj: DrmSyncobj) -> None:
        super().__init__()
        self.syncobj = syncobj.get()

    def release(self) -> None:
        """The last descriptor is gone."""
        self.syncobj.put()


class SyncobjWaitEntry:
    """`struct syncobj_wait_entry`: waits for one point to be submitted; ``fence`` is set when it has been.

    The fence counts even when the syncobj is reset before the waiter gets to run.
    """

    __slots__ = ("fence", "listening", "point", "queue")

    def __init__(self, point: int, queue: WaitQueue) -> None:
        self.point = point
        self.queue = queue
        self.fence: DmaFence | None = None
        self.listening = False
        """Whether the waiter has a callback on the fence."""

    def fence_added(self, syncobj: DrmSyncobj) -> bool:
        """`syncobj_wait_syncobj_func`."""
        self.fence = syncobj.find_point(self.point)
        if self.fence is None:
            return False
        self.queue.wake_all()
        return True

    def cancel(self) -> None:
        """The handle was destroyed while somebody waits: it goes on waiting, as in the kernel."""


def check_syncobj_feature(dev: DrmDevice) -> None:
    """EOPNOTSUPP when the driver has no syncobjs."""
    if not dev.driver.has_syncobj:
        raise KernelError(errno.EOPNOTSUPP, f"{dev.driver.name} has no syncobjs")


# -- for drivers --------------------------------------------------------------------------------------------------


def drm_syncobj_find(filp: DrmFile, handle: int) -> DrmSyncobj | None:
    """The syncobj behind a handle (borrowed), None when there is none."""
    return filp.syncobj_idr.find(handle)


def drm_syncobj_create(flags: int, fence: DmaFence | None) -> DrmSyncobj:
    """A new syncobj, one reference: with ``fence``, or already signalled if flags say so."""
    syncobj = DrmSyncobj()
    if flags & uapi.DRM_SYNCOBJ_CREATE_SIGNALED:
        drm_syncobj_assign_null_handle(syncobj)
    if fence is not None:
        syncobj.fence = fence
    return syncobj


def drm_syncobj_get_handle(filp: DrmFile, syncobj: DrmSyncobj) -> int:
    """A new handle, which holds the syncobj."""
    return filp.syncobj_idr.alloc(syncobj.get())


def drm_syncobj_get_fd(caller: Caller, syncobj: DrmSyncobj) -> Blocking[int]:
    """A new descriptor (close-on-exec) of a syncobj in the calling process."""
    return (yield from caller.install_fd(SharedSyncobj(syncobj), True))


def drm_syncobj_replace_fence(syncobj: DrmSyncobj, fence: DmaFence | None) -> None:
    """Put another fence in; None resets."""
    if fence is not syncobj.fence:
        syncobj.fence = fence
        syncobj.notify()


def drm_syncobj_assign_null_handle(syncobj: DrmSyncobj) -> None:
    """Put in a fence that is signalled now."""
    drm_syncobj_replace_fence(syncobj, dma_fence_allocate_private_stub(time.monotonic_ns()))


def drm_syncobj_add_point(syncobj: DrmSyncobj, fence: DmaFence, point: int) -> None:
    """Add a timeline point that completes with ``fence`` and after all points that are there.

    A point that is not later than the last is taken, as in the kernel, and makes what QUERY says unreliable. A chain
    is added as the plain fences in it: the kernel warns about chains of chains (dma_fence_chain_init), and a client
    could nest them without end by exporting and importing points.
    """
    if isinstance(fence, DmaFenceChain):
        fence = dma_fence_unwrap_merge(fence)
    prev = syncobj.fence
    syncobj.fence = DmaFenceChain(prev, fence, point)
    syncobj.notify()
    # Walking drops the nodes that have signalled. The kernel walks the whole timeline; a bounded walk is enough, as
    # every look at the timeline goes on with it, and keeps adding points cheap when thousands are pending.
    deque(itertools.islice(dma_fence_chain_for_each(prev), _COLLECT_NODES), maxlen=0)


def drm_syncobj_find_fence(filp: DrmFile, handle: int, point: int, flags: int) -> Blocking[DmaFence]:
    """The fence of a point; point 0 is the whole current fence.

    ENOENT for an unknown handle, EINVAL for other flags than WAIT_FOR_SUBMIT and without such a fence; with the
    flag it is waited for, up to 5 s (ETIME), interruptibly.
    """
    syncobj = drm_syncobj_find(filp, handle)
    if syncobj is None:
        raise KernelError(errno.ENOENT, f"syncobj {handle}")
    if flags & ~uapi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT and filp.dev.variant.checks_fence_flags:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    fence = syncobj.find_point(point)
    if fence is not None:
        return fence
    if not flags & uapi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT:
        raise KernelError(errno.EINVAL, f"syncobj {handle} has no fence for point {point}")
    return (yield from _wait_for_submit(syncobj, point))


def _wait_for_submit(syncobj: DrmSyncobj, point: int) -> Blocking[DmaFence]:
    deadline = time.monotonic_ns() + DRM_SYNCOBJ_WAIT_FOR_SUBMIT_TIMEOUT
    queue = WaitQueue()
    entry = SyncobjWaitEntry(point, queue)
    syncobj.add_listener(entry)
    try:
        while entry.fence is None:
            wake = yield Sleep((queue,), deadline)
            if entry.fence is None and wake is Wake.TIMED_OUT:
                raise KernelError(errno.ETIME, f"point {point} was not submitted in 5 s")
            if entry.fence is None and wake is Wake.INTERRUPTED:
                raise KernelError(ERESTARTSYS)
    finally:
        syncobj.remove_listener(entry)
    return entry.fence


def drm_syncobj_release(filp: DrmFile) -> None:
    """The file is closed: drop all its handles."""
    for handle, syncobj in filp.syncobj_idr.items():
        filp.syncobj_idr.remove(handle)
        syncobj.put()


# -- ioctls -------------------------------------------------------------------------------------------------------


def drm_syncobj_create_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SYNCOBJ_CREATE: EINVAL for other flags than SIGNALED."""
    check_syncobj_feature(dev)
    _, flags = uapi.SYNCOBJ_CREATE.unpack_from(data)
    if flags & ~uapi.DRM_SYNCOBJ_CREATE_SIGNALED:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    dev.kernel.faults.alloc(AllocSite.SYNCOBJ)
    handle = filp.syncobj_idr.alloc(drm_syncobj_create(flags, None))
    uapi.SYNCOBJ_CREATE.pack_into(data, 0, handle, flags)
    return 0


def drm_syncobj_destroy_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SYNCOBJ_DESTROY: EINVAL for padding that is not 0 and for an unknown handle."""
    check_syncobj_feature(dev)
    handle, pad = uapi.SYNCOBJ_DESTROY.unpack_from(data)
    if pad:
        raise KernelError(errno.EINVAL, f"pad {pad:#x}")
    syncobj = filp.syncobj_idr.remove(handle)
    if syncobj is None:
        raise KernelError(errno.EINVAL, f"syncobj {handle}")
    syncobj.put()
    return 0


_SYNC_FILE = uapi.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
_TIMELINE = uapi.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE
# FD_TO_HANDLE's flags have the same bits: IMPORT_SYNC_FILE and TIMELINE.


def _descriptor_args(dev: DrmDevice, data: bytearray) -> tuple[int, int, int, int]:
    """Handle, flags, descriptor and point of both descriptor ioctls, checked; see KERNEL.md E12 for the point."""
    check_syncobj_feature(dev)
    handle, flags, fd, pad, point = uapi.SYNCOBJ_HANDLE.unpack_from(data)
    has_point = dev.variant.has_syncobj_fd_point
    if pad:
        raise KernelError(errno.EINVAL, f"pad {pad:#x}")
    if flags & ~(_SYNC_FILE | _TIMELINE if has_point else _SYNC_FILE):
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    if not has_point:
        point = 0
    if flags & _SYNC_FILE:
        return handle, flags, fd, point if flags & _TIMELINE else 0
    if point:
        raise KernelError(errno.EINVAL, f"point {point} of a whole syncobj")
    return handle, flags, fd, 0


def _set_field(data: bytearray, handle: int, flags: int, fd: int) -> None:
    *_, pad, point = uapi.SYNCOBJ_HANDLE.unpack_from(data)
    uapi.SYNCOBJ_HANDLE.pack_into(data, 0, handle, flags, fd, pad, point)


def drm_syncobj_handle_to_fd_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> Blocking[int]:
    """SYNCOBJ_HANDLE_TO_FD: the syncobj itself (EINVAL if unknown), or its fence as a sync_file (ENOENT; EINVAL)."""
    handle, flags, fd, point = _descriptor_args(dev, data)
    if flags & _SYNC_FILE:
        fence = yield from drm_syncobj_find_fence(filp, handle, point, 0)
        fd = yield from install_sync_file(caller, fence)
    else:
        syncobj = drm_syncobj_find(filp, handle)
        if syncobj is None:
            raise KernelError(errno.EINVAL, f"syncobj {handle}")
        fd = yield from drm_syncobj_get_fd(caller, syncobj)
    _set_field(data, handle, flags, fd)
    return 0


def drm_syncobj_fd_to_handle_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SYNCOBJ_FD_TO_HANDLE: a new handle for a syncobj, or a sync_file's fence into a syncobj (EINVAL, then ENOENT)."""
    handle, flags, fd, point = _descriptor_args(dev, data)
    if flags & _SYNC_FILE:
        _drm_syncobj_import_sync_file_fence(filp, caller, fd, handle, point)
        return 0
    try:
        file = caller.fget(fd)
    except KernelError as error:
        raise KernelError(errno.EINVAL, f"descriptor {fd} is closed") from error
    if not isinstance(file, SharedSyncobj):
        raise KernelError(errno.EINVAL, f"descriptor {fd} is not a syncobj")
    _set_field(data, drm_syncobj_get_handle(filp, file.syncobj), flags, fd)
    return 0


def _drm_syncobj_import_sync_file_fence(filp: DrmFile, caller: Caller, fd: int, handle: int, point: int) -> None:
    fence = sync_file_get_fence(caller, fd)
    if fence is None:
        raise KernelError(errno.EINVAL, f"descriptor {fd} is not a sync_file")
    syncobj = drm_syncobj_find(filp, handle)
    if syncobj is None:
        raise KernelError(errno.ENOENT, f"syncobj {handle}")
    if point:
        drm_syncobj_add_point(syncobj, fence, point)
    else:
        drm_syncobj_replace_fence(syncobj, fence)


def drm_syncobj_transfer_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> Blocking[int]:
    """SYNCOBJ_TRANSFER: copy a fence to a point, or as the whole fence (``dst_point`` 0).

    EINVAL for padding, ENOENT for an unknown destination, then as `drm_syncobj_find_fence`. A point gets the plain
    fences out of any container, as a chain must not contain another.
    """
    check_syncobj_feature(dev)
    src_handle, dst_handle, src_point, dst_point, flags, pad = uapi.SYNCOBJ_TRANSFER.unpack_from(data)
    if pad:
        raise KernelError(errno.EINVAL, f"pad {pad:#x}")
    syncobj = drm_syncobj_find(filp, dst_handle)
    if syncobj is None:
        raise KernelError(errno.ENOENT, f"syncobj {dst_handle}")
    fence = yield from drm_syncobj_find_fence(filp, src_handle, src_point, flags)
    if dst_point:
        drm_syncobj_add_point(syncobj, dma_fence_unwrap_merge(fence), dst_point)
    else:
        drm_syncobj_replace_fence(syncobj, fence)
    return 0
