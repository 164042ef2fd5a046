# SPDX-License-Identifier: MIT
"""Hardware fences: the sequence number a ring writes when it is done with a job (amdgpu_fence.c)."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_fence import DmaFence

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.amdgpu_ring import AmdgpuRing

__all__ = (
    "AmdgpuFence",
    "AmdgpuFenceDriver",
    "amdgpu_fence_driver_force_completion",
    "amdgpu_fence_driver_guilty_force_completion",
    "amdgpu_fence_emit",
)


class AmdgpuFenceDriver:
    """`struct amdgpu_fence_driver`: numbers the jobs of one ring.

    ``sync_seq`` is the last number emitted, ``last_seq`` the last one seen; ``pending`` the fences between them.
    """

    __slots__ = ("context", "last_seq", "name", "pending", "sync_seq")

    def __init__(self, context: int, name: str) -> None:
        self.context = context
        self.name = name
        self.sync_seq = 0
        self.last_seq = 0
        self.pending: deque[AmdgpuFence] = deque()


class AmdgpuFence(DmaFence):
    """`struct amdgpu_fence`: signals when the ring has executed the job."""

    __slots__ = ("drv", "job", "job_context")

    def __init__(self, drv: AmdgpuFenceDriver, job: AmdgpuJob) -> None:
        super().__init__(drv.context, drv.sync_seq, "amdgpu", drv.name)
        self.drv = drv
        self.job: AmdgpuJob | None = job
        """None once done: a fence may live much longer than its job."""
        self.job_context = job.s_fence.context
        """Fence context of the entity the job came from, by which a reset tells guilty from innocent."""

    def done(self, error: int) -> None:
        """Let the ring say that it is done with the job (the end-of-pipe interrupt, amdgpu_fence_process).

        ``error``: 0, or a negative errno when the job was cut off.
        """
        self._leave_ring()
        job, self.job = self.job, None
        if job is not None and not error and not self.error:
            job.write_user_fence()
        self.signal(error or self.error)

    def _leave_ring(self) -> None:
        drv = self.drv
        drv.last_seq = max(drv.last_seq, self.seqno)
        if drv.pending and drv.pending[0] is self:
            drv.pending.popleft()
        elif self in drv.pending:
            drv.pending.remove(self)


def amdgpu_fence_emit(ring: AmdgpuRing, job: AmdgpuJob) -> AmdgpuFence:
    """Number a job that goes to the ring."""
    drv = ring.fence_drv
    drv.sync_seq += 1
    fence = AmdgpuFence(drv, job)
    drv.pending.append(fence)
    return fence


def amdgpu_fence_driver_guilty_force_completion(guilty: AmdgpuFence) -> None:
    """After the reset of one ring: blame the job that hung it, and cancel what its context queued behind it."""
    for fence in guilty.drv.pending:
        if fence is guilty:
            fence.set_error(-errno.ETIME)
        elif fence.job_context == guilty.job_context:
            fence.set_error(-errno.ECANCELED)


def amdgpu_fence_driver_force_completion(ring: AmdgpuRing) -> None:
    """Mark every job on the ring as cancelled; those blamed already keep their error."""
    for fence in ring.fence_drv.pending:
        if not fence.error:
            fence.set_error(-errno.ECANCELED)
