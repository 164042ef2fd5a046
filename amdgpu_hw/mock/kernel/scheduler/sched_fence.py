# SPDX-License-Identifier: MIT
"""The fences of a scheduler job (drivers/gpu/drm/scheduler/sched_fence.c)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmGpuScheduler

__all__ = ("DrmSchedFence", "to_drm_sched_fence")


class _ScheduledFence(DmaFence):
    """`drm_sched_fence.scheduled`: the job has been given to the hardware."""

    __slots__ = ("s_fence",)

    def __init__(self, s_fence: DrmSchedFence) -> None:
        super().__init__(s_fence.context - 1, s_fence.seqno, "drm_sched", s_fence.timeline_name)
        self.s_fence = s_fence


class DrmSchedFence(DmaFence):
    """`struct drm_sched_fence`: the pair of fences of one job, and who the job belongs to.

    The object *is* the finished fence; the scheduled fence is made when first asked for, as few jobs need it.
    ``owner`` is what amdgpu_sync tells jobs apart by; ``sched`` and the seqno are set when the job is armed;
    ``parent`` is the hardware fence, None until the job is on the ring.
    """

    __slots__ = ("_is_scheduled", "_scheduled", "deadline", "owner", "parent", "sched", "scheduled_ns")

    def __init__(self, owner: object) -> None:
        super().__init__(0, 0, "drm_sched", "unarmed")
        self.owner = owner
        self.sched: DrmGpuScheduler | None = None
        self.parent: DmaFence | None = None
        self.deadline: int | None = None
        self._scheduled: _ScheduledFence | None = None
        self._is_scheduled = False
        self.scheduled_ns = 0
        """CLOCK_MONOTONIC time at which the job was handed to the ring, 0 before."""

    @property
    def finished(self) -> DmaFence:
        """Signals when the job is done; its error is the job's."""
        return self

    @property
    def scheduled(self) -> DmaFence:
        """Signals when the job is handed to the ring; on the context before that of `finished`, same seqno."""
        fence = self._scheduled
        if fence is None:
            fence = self._scheduled = _ScheduledFence(self)
            if self._is_scheduled:
                fence.signal()
        return fence

    def init(self, sched: DrmGpuScheduler, context: int, seqno: int) -> None:
        """Number the fence (`drm_sched_fence_init`); ``context`` is the entity's first, that of `scheduled`."""
        self.sched = sched
        self.context = context + 1
        self.seqno = seqno
        self.timeline_name = sched.name

    def mark_scheduled(self, parent: DmaFence | None) -> None:
        """`drm_sched_fence_scheduled`: the parent is known before `scheduled` signals."""
        if parent is not None:
            self.parent = parent
            if self.deadline is not None:
                parent.set_deadline(self.deadline)
        self._is_scheduled = True
        self.scheduled_ns = time.monotonic_ns()
        if self._scheduled is not None:
            self._scheduled.signal()

    def set_deadline(self, deadline_ns: int) -> None:
        """Remember the earliest deadline and pass it to the hardware fence."""
        if self.deadline is None or deadline_ns < self.deadline:
            self.deadline = deadline_ns
            if self.parent is not None:
                self.parent.set_deadline(deadline_ns)


def to_drm_sched_fence(fence: DmaFence) -> DrmSchedFence | None:
    """The job's pair that ``fence`` is one of, None when no scheduler made it."""
    if isinstance(fence, DrmSchedFence):
        return fence
    if isinstance(fence, _ScheduledFence):
        return fence.s_fence
    return None
