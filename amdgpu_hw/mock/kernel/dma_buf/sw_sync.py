# SPDX-License-Identifier: MIT
"""The software sync timeline of debugfs (drivers/dma-buf/sw_sync.c).

Each open file is a timeline with a 32-bit counter. The debugfs of a mock machine is open to everybody; a real one is
for root unless it is mounted otherwise.
"""

from __future__ import annotations

import bisect
import errno
import stat

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.dma_buf.sync_file import install_sync_file, sync_file_get_fence
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Caller, File, FileStat
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import sw_sync as uapi

__all__ = ("SyncPt", "SyncTimeline", "probe")

_U32 = 1 << 32


class SyncPt(DmaFence):
    """A point of a timeline (`struct sync_pt`); remembers the earliest deadline somebody asked for."""

    __slots__ = ("deadline",)

    def __init__(self, context: int, value: int, timeline_name: str) -> None:
        super().__init__(context, value, "sw_sync", timeline_name)
        self.deadline: int | None = None

    def set_deadline(self, deadline_ns: int) -> None:
        """Keep the deadline if it is the earliest so far."""
        if self.deadline is None or deadline_ns < self.deadline:
            self.deadline = deadline_ns


class SyncTimeline(File):
    """One timeline (`struct sync_timeline`), named after the process that opened it; counts from 0."""

    name = uapi.PATH

    def __init__(self, name: str) -> None:
        super().__init__()
        self.timeline_name = name
        self.context = dma_fence_context_alloc(1)
        self.value = 0
        self._points: list[SyncPt] = []
        """Pending points, the next one to signal first."""

    def ioctl(self, caller: Caller, request: int, argp: int) -> int | Blocking[int]:
        """`sw_sync_ioctl`: CREATE_FENCE, INC, GET_DEADLINE; ENOTTY for anything else."""
        if request == uapi.IOCTL_CREATE_FENCE.request:
            return self._create_fence(caller, argp)
        if request == uapi.IOCTL_INC.request:
            (count,) = uapi.INC.unpack(caller.copy_from_user(argp, uapi.INC.size))
            self.inc(count)
            return 0
        if request == uapi.IOCTL_GET_DEADLINE.request:
            return self._get_deadline(caller, argp)
        raise KernelError(errno.ENOTTY, f"request {request:#010x} on sw_sync")

    def stat(self) -> FileStat:
        """A file of debugfs."""
        return FileStat(stat.S_IFREG | 0o644, path=self.name)

    def release(self) -> None:
        """The timeline is closed: its pending points fail with ENOENT."""
        points, self._points = self._points, []
        for point in points:
            point.signal(-errno.ENOENT)

    def sync_pt_create(self, value: int) -> SyncPt:
        """The point at ``value``, signalled if the counter is there; asking again for a pending one gives the same."""
        ahead = self._distance(value)
        if ahead <= 0:
            point = SyncPt(self.context, value, self.timeline_name)
            point.signal()
            return point
        points = self._points
        index = bisect.bisect_left(points, ahead, key=lambda point: self._distance(point.seqno))
        if index < len(points) and points[index].seqno == value:
            return points[index]
        point = SyncPt(self.context, value, self.timeline_name)
        points.insert(index, point)
        return point

    def inc(self, count: int) -> None:
        """Advance the counter and signal what has been reached (`sync_timeline_signal`), in steps below 2^31."""
        while True:
            step = min(count, 0x7FFF_FFFF)
            self.value = (self.value + step) % _U32
            points = self._points
            while points and self._distance(points[0].seqno) <= 0:
                points.pop(0).signal()
            count -= step
            if not count:
                return

    def _distance(self, value: int) -> int:
        """How far ahead of the counter a value is, as a signed 32-bit difference (`__dma_fence_is_later`)."""
        return (value - self.value + (_U32 >> 1)) % _U32 - (_U32 >> 1)

    def _create_fence(self, caller: Caller, argp: int) -> Blocking[int]:
        raw = caller.copy_from_user(argp, uapi.CREATE_FENCE.size)
        value, name, _ = uapi.CREATE_FENCE.unpack(raw)
        # A client that cannot take the answer must not be left with a descriptor it does not know of.
        caller.copy_to_user(argp, raw)
        fd = yield from install_sync_file(caller, self.sync_pt_create(value))
        caller.copy_to_user(argp, uapi.CREATE_FENCE.pack(value=value, name=name, fence=fd))
        return 0

    def _get_deadline(self, caller: Caller, argp: int) -> int:
        deadline_ns, pad, fd = uapi.GET_DEADLINE.unpack(caller.copy_from_user(argp, uapi.GET_DEADLINE.size))
        if deadline_ns or pad:
            raise KernelError(errno.EINVAL, "outputs not 0")
        point = sync_file_get_fence(caller, fd)
        if not isinstance(point, SyncPt):
            raise KernelError(errno.EINVAL, f"descriptor {fd} is not a sw_sync fence")
        if point.deadline is None:
            raise KernelError(errno.ENOENT, "nobody set a deadline")
        caller.copy_to_user(argp, uapi.GET_DEADLINE.pack(deadline_ns=point.deadline, fence_fd=fd))
        return 0


def probe(kernel: Kernel) -> None:
    """Make the timeline file appear in debugfs."""
    kernel.register_node(uapi.PATH, 0, 0, lambda caller, _flags: SyncTimeline(caller.comm))
