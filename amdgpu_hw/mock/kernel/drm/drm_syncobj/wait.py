# SPDX-License-Identifier: MIT
"""Waiting for syncobjs, and the ioctls that take several of them (drivers/gpu/drm/drm_syncobj.c)."""

from __future__ import annotations

import errno
import os
import select
import struct
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_get_stub
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import dma_fence_chain_for_each, to_dma_fence_chain
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import (
    DrmSyncobj,
    SyncobjWaitEntry,
    check_syncobj_feature,
    drm_syncobj_add_point,
    drm_syncobj_assign_null_handle,
    drm_syncobj_find,
    drm_syncobj_replace_fence,
)
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, WaitQueue, Wake
from amdgpu_hw.uapi import drm as uapi

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = (
    "drm_syncobj_eventfd_ioctl",
    "drm_syncobj_query_ioctl",
    "drm_syncobj_reset_ioctl",
    "drm_syncobj_signal_ioctl",
    "drm_syncobj_timeline_signal_ioctl",
    "drm_syncobj_timeline_wait_ioctl",
    "drm_syncobj_wait_ioctl",
)

_ALL = uapi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL
_FOR_SUBMIT = uapi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
_AVAILABLE = uapi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
_DEADLINE = uapi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE

_KMALLOC_MAX = 4 << 20  # KMALLOC_MAX_SIZE with 4 KiB pages: what a kmalloc_array of user's size fails beyond.
_POINTER = 8
_FIRST_SIGNALED = struct.Struct("<I")
_NONE_SIGNALED = 0xFFFF_FFFF


def drm_syncobj_array_find(filp: DrmFile, caller: Caller, address: int, count: int) -> list[DrmSyncobj]:
    """The syncobjs of an array of handles: EFAULT, ENOMEM when absurdly long, ENOENT for any unknown one."""
    if count * 4 > _KMALLOC_MAX:
        raise KernelError(errno.ENOMEM, f"{count} handles")
    handles = struct.unpack(f"<{count}I", caller.copy_from_user(address, 4 * count))
    if count * _POINTER > _KMALLOC_MAX:
        raise KernelError(errno.ENOMEM, f"{count} syncobjs")
    syncobjs = []
    for handle in handles:
        syncobj = drm_syncobj_find(filp, handle)
        if syncobj is None:
            raise KernelError(errno.ENOENT, f"syncobj {handle}")
        syncobjs.append(syncobj)
    return syncobjs


def _copy_points(caller: Caller, address: int, count: int) -> Sequence[int]:
    if not address:
        return (0,) * count
    return struct.unpack(f"<{count}Q", caller.copy_from_user(address, 8 * count))


# -- WAIT, TIMELINE_WAIT ------------------------------------------------------------------------------------------


class _Wait:
    """One WAIT or TIMELINE_WAIT that has to sleep (`drm_syncobj_array_wait_timeout` after its first scan)."""

    __slots__ = ("available", "entries", "queue", "syncobjs", "wait_all")

    def __init__(self, syncobjs: list[DrmSyncobj], points: Sequence[int], fences: list[DmaFence | None], flags: int):
        self.syncobjs = syncobjs
        self.wait_all = bool(flags & _ALL)
        self.available = bool(flags & _AVAILABLE)
        self.queue = WaitQueue()
        self.entries = [SyncobjWaitEntry(point, self.queue) for point in points]
        for entry, fence in zip(self.entries, fences, strict=True):
            entry.fence = fence

    def run(self, deadline: int) -> Blocking[int]:
        """Sleep until enough entries are satisfied; the index that ended the wait, 0xFFFFFFFF with WAIT_ALL."""
        try:
            for syncobj, entry in zip(self.syncobjs, self.entries, strict=True):
                if entry.fence is None:
                    syncobj.add_listener(entry)
            return (yield from self._loop(deadline))
        finally:
            for syncobj, entry in zip(self.syncobjs, self.entries, strict=True):
                syncobj.remove_listener(entry)
                if entry.listening and entry.fence is not None:
                    entry.fence.remove_callback(self._fence_signaled)

    def _loop(self, deadline: int) -> Blocking[int]:
        interrupted = False
        while True:
            done = 0
            for index, entry in enumerate(self.entries):
                if entry.fence is not None and (self.available or entry.fence.signaled):
                    if not self.wait_all:
                        return index
                    done += 1
            if done == len(self.entries):
                return _NONE_SIGNALED
            if deadline <= time.monotonic_ns():
                raise KernelError(errno.ETIME)
            if interrupted:
                raise KernelError(ERESTARTSYS)
            if not self.available:
                self._listen()
            interrupted = (yield Sleep((self.queue,), deadline)) is Wake.INTERRUPTED

    def _listen(self) -> None:
        for entry in self.entries:
            if entry.fence is not None and not entry.listening:
                entry.listening = entry.fence.add_callback(self._fence_signaled)

    def _fence_signaled(self, _fence: DmaFence) -> None:
        self.queue.wake_all()


def drm_syncobj_array_wait(
    syncobjs: list[DrmSyncobj], points: Sequence[int], flags: int, timeout_nsec: int, deadline_nsec: int
) -> int | Blocking[int]:
    """Wait for points; returns `first_signaled`, or a generator that does when it has to sleep.

    ``timeout_nsec`` is absolute CLOCK_MONOTONIC; now or earlier polls. Raises EINVAL for an entry without a fence
    unless the flags allow that, ETIME, ERESTARTSYS.
    """
    fences: list[DmaFence | None] = []
    first = _NONE_SIGNALED
    done = 0
    for index, (syncobj, point) in enumerate(zip(syncobjs, points, strict=True)):
        fence = syncobj.find_point(point)
        fences.append(fence)
        if fence is None:
            if not flags & (_FOR_SUBMIT | _AVAILABLE):
                raise KernelError(errno.EINVAL, f"entry {index} has no fence for point {point}")
        elif flags & _AVAILABLE or fence.signaled:
            if not done:
                first = index
            done += 1
    if done == len(syncobjs) or (done and not flags & _ALL):
        return first
    if flags & _DEADLINE:
        for fence in fences:
            if fence is not None:
                fence.set_deadline(deadline_nsec)
    if timeout_nsec <= time.monotonic_ns():
        raise KernelError(errno.ETIME)
    return _wait_and_merge(_Wait(syncobjs, points, fences, flags), timeout_nsec, first)


def _wait_and_merge(wait: _Wait, deadline: int, first: int) -> Blocking[int]:
    index = yield from wait.run(deadline)
    # With WAIT_ALL the kernel reports what the first scan found, if it found anything.
    return first if index == _NONE_SIGNALED else index


def drm_syncobj_wait_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int | Blocking[int]:
    """SYNCOBJ_WAIT: EINVAL for unknown flags, 0 for no handles at all, EFAULT, ENOENT, then the wait."""
    check_syncobj_feature(dev)
    handles, timeout, count, flags, _, _, deadline = uapi.SYNCOBJ_WAIT.unpack_from(data)
    if flags & ~(_ALL | _FOR_SUBMIT | _DEADLINE):
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    if not count and dev.variant.refuses_no_handles:
        raise KernelError(errno.EINVAL, "no handles")
    if not count:
        return 0
    syncobjs = drm_syncobj_array_find(filp, caller, handles, count)
    result = drm_syncobj_array_wait(syncobjs, (0,) * count, flags, timeout, deadline)
    return _report_first(result, data, uapi.SYNCOBJ_WAIT.offset("first_signaled"))


def drm_syncobj_timeline_wait_ioctl(
    dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller
) -> int | Blocking[int]:
    """SYNCOBJ_TIMELINE_WAIT: as SYNCOBJ_WAIT, with a point for each handle and WAIT_AVAILABLE."""
    check_syncobj_feature(dev)
    handles, user_points, timeout, count, flags, _, _, deadline = uapi.SYNCOBJ_TIMELINE_WAIT.unpack_from(data)
    if flags & ~(_ALL | _FOR_SUBMIT | _AVAILABLE | _DEADLINE):
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    if not count and dev.variant.refuses_no_handles:
        raise KernelError(errno.EINVAL, "no handles")
    if not count:
        return 0
    syncobjs = drm_syncobj_array_find(filp, caller, handles, count)
    points = _copy_points(caller, user_points, count)
    result = drm_syncobj_array_wait(syncobjs, points, flags, timeout, deadline)
    return _report_first(result, data, uapi.SYNCOBJ_TIMELINE_WAIT.offset("first_signaled"))


def _report_first(result: int | Blocking[int], data: bytearray, offset: int) -> int | Blocking[int]:
    if not isinstance(result, int):
        return _report_first_later(result, data, offset)
    _FIRST_SIGNALED.pack_into(data, offset, result)
    return 0


def _report_first_later(wait: Blocking[int], data: bytearray, offset: int) -> Blocking[int]:
    _FIRST_SIGNALED.pack_into(data, offset, (yield from wait))
    return 0


# -- RESET, SIGNAL, TIMELINE_SIGNAL, QUERY ------------------------------------------------------------------------


def _syncobjs_of_array(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> list[DrmSyncobj]:
    """The argument of RESET and SIGNAL: EINVAL for padding and for no handles, EFAULT, ENOENT."""
    check_syncobj_feature(dev)
    handles, count, pad = uapi.SYNCOBJ_ARRAY.unpack_from(data)
    if pad:
        raise KernelError(errno.EINVAL, f"pad {pad:#x}")
    if not count:
        raise KernelError(errno.EINVAL, "no handles")
    return drm_syncobj_array_find(filp, caller, handles, count)


def drm_syncobj_reset_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SYNCOBJ_RESET: take the fences out."""
    for syncobj in _syncobjs_of_array(dev, data, filp, caller):
        drm_syncobj_replace_fence(syncobj, None)
    return 0


def drm_syncobj_signal_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SYNCOBJ_SIGNAL: put signalled fences in."""
    for syncobj in _syncobjs_of_array(dev, data, filp, caller):
        drm_syncobj_assign_null_handle(syncobj)
    return 0


def drm_syncobj_timeline_signal_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SYNCOBJ_TIMELINE_SIGNAL: add a signalled point to each; no points at all means 0 for each."""
    check_syncobj_feature(dev)
    handles, user_points, count, flags = uapi.SYNCOBJ_TIMELINE_ARRAY.unpack_from(data)
    if flags:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    if not count:
        raise KernelError(errno.EINVAL, "no handles")
    syncobjs = drm_syncobj_array_find(filp, caller, handles, count)
    points = _copy_points(caller, user_points, count)
    for syncobj, point in zip(syncobjs, points, strict=True):
        drm_syncobj_add_point(syncobj, dma_fence_get_stub(), point)
    return 0


def drm_syncobj_query_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SYNCOBJ_QUERY: the point that everything up to has signalled, or the last one submitted (LAST_SUBMITTED)."""
    check_syncobj_feature(dev)
    handles, user_points, count, flags = uapi.SYNCOBJ_TIMELINE_ARRAY.unpack_from(data)
    if flags & ~uapi.DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    if not count:
        raise KernelError(errno.EINVAL, "no handles")
    for index, syncobj in enumerate(drm_syncobj_array_find(filp, caller, handles, count)):
        point = _query_point(syncobj, bool(flags))
        caller.copy_to_user(user_points + 8 * index, point.to_bytes(8, "little"))
    return 0


def _query_point(syncobj: DrmSyncobj, last_submitted: bool) -> int:
    chain = to_dma_fence_chain(syncobj.fence)
    if chain is None:
        return 0
    if last_submitted:
        return chain.seqno
    last = chain
    for link in dma_fence_chain_for_each(chain):
        node = to_dma_fence_chain(link)
        if node is None or node.context != chain.context:
            break  # A point that was added out of order starts another context.
        last = node
    return last.seqno if last.signaled else last.prev_seqno


# -- EVENTFD ------------------------------------------------------------------------------------------------------


class _EventfdEntry:
    """`struct syncobj_eventfd_entry`: adds 1 to an eventfd when a point signals, or is available, and is over."""

    __slots__ = ("available", "fd", "point")

    def __init__(self, fd: int, point: int, available: bool) -> None:
        self.fd = fd
        self.point = point
        self.available = available

    def fence_added(self, syncobj: DrmSyncobj) -> bool:
        """`syncobj_eventfd_entry_func`: from here the entry waits for the fence, whatever becomes of the syncobj."""
        fence = syncobj.find_point(self.point)
        if fence is None:
            return False
        if self.available or not fence.add_callback(self._fire):
            self._fire(fence)
        return True

    def cancel(self) -> None:
        """The syncobj is gone, its points will never come."""
        os.close(self.fd)

    def _fire(self, _fence: DmaFence) -> None:
        # eventfd_signal never blocks; a write would, on a counter that is full.
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        if poll.poll(0):
            os.eventfd_write(self.fd, 1)
        os.close(self.fd)


def drm_syncobj_eventfd_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SYNCOBJ_EVENTFD: EINVAL for flags and padding, ENOENT, EBADF for a closed descriptor, EINVAL for no eventfd."""
    check_syncobj_feature(dev)
    handle, flags, point, fd, pad = uapi.SYNCOBJ_EVENTFD.unpack_from(data)
    if flags & ~_AVAILABLE:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    if pad:
        raise KernelError(errno.EINVAL, f"pad {pad:#x}")
    syncobj = drm_syncobj_find(filp, handle)
    if syncobj is None:
        raise KernelError(errno.ENOENT, f"syncobj {handle}")
    entry = _EventfdEntry(_eventfd_ctx_fdget(caller, fd), point, bool(flags & _AVAILABLE))
    if not entry.fence_added(syncobj):
        syncobj.add_listener(entry)
    return 0


def _eventfd_ctx_fdget(caller: Caller, fd: int) -> int:
    if caller.fget(fd) is not None:
        raise KernelError(errno.EINVAL, f"descriptor {fd} is not an eventfd")
    own = caller.foreign_fd(fd)
    if os.readlink(f"/proc/self/fd/{own}") != "anon_inode:[eventfd]":
        os.close(own)
        raise KernelError(errno.EINVAL, f"descriptor {fd} is not an eventfd")
    return own
