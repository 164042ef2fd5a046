# SPDX-License-Identifier: MIT
"""Hardware fences: the sequence number a ring writes when it is done with a job (amdgpu_fence.c).

The packet that writes the number, the memory it is written to and the interrupt are the model's: its ring calls
`AmdgpuFence.done`.
"""

from __future__ import annotations

import errno
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.work import Work
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing
    from amdgpu_hw.mock.kernel.fault_injection import FenceFault

__all__ = (
    "AmdgpuFence",
    "AmdgpuFenceDriver",
    "amdgpu_fence_driver_force_completion",
    "amdgpu_fence_driver_set_error",
    "amdgpu_fence_emit",
    "amdgpu_fence_process",
    "amdgpu_ring_set_fence_errors_and_reemit",
)


class AmdgpuFenceDriver:
    """`struct amdgpu_fence_driver`: numbers the jobs of one ring.

    ``sync_seq`` is the last number emitted, ``last_seq`` the last one seen; ``pending`` the fences between them.
    """

    __slots__ = ("context", "fault", "last_seq", "name", "pending", "sync_seq")

    def __init__(self, context: int, name: str) -> None:
        self.context = context
        self.name = name
        self.sync_seq = 0
        self.last_seq = 0
        self.pending: deque[AmdgpuFence] = deque()
        self.fault: FenceFault | None = None
        """Injected: what becomes of the next fence that the ring writes."""


class AmdgpuFence(DmaFence):
    """`struct amdgpu_fence`: signals when the ring has executed the job."""

    __slots__ = ("drv", "job", "job_context", "reemitted", "work")

    def __init__(self, drv: AmdgpuFenceDriver, job: AmdgpuJob) -> None:
        super().__init__(drv.context, drv.sync_seq, "amdgpu", drv.name)
        self.drv = drv
        self.job: AmdgpuJob | None = job
        """None once done: a fence may live much longer than its job."""
        self.work: Work | None = None
        """What is on the ring; None once done."""
        self.job_context = job.s_fence.context
        """Fence context of the entity the job came from, by which a reset tells guilty from innocent."""
        self.reemitted = 0
        """How many resets of the ring the job has been through."""

    def done(self, error: int) -> None:
        """Let the ring say that it is done with the job (the end-of-pipe interrupt).

        ``error``: 0, or a negative errno when the job was cut off.
        """
        drv = self.drv
        fault = drv.fault
        if fault is not None and not error:
            drv.fault = None
            fault.divert(partial(amdgpu_fence_process, drv, self.seqno))
            return
        amdgpu_fence_process(drv, self.seqno, error)

    def complete(self, error: int) -> None:
        """Signal with ``error``, or the one the fence was given before."""
        self.work = None
        job, self.job = self.job, None
        if job is not None and not error and not self.error:
            job.write_user_fence()
        self.signal(error or self.error)


def amdgpu_fence_process(drv: AmdgpuFenceDriver, seqno: int, error: int = 0) -> None:
    """Signal every fence up to ``seqno``, which the ring has written; ``error`` is for the last one.

    Leaves out: the fallback timer for lost interrupts, and runtime PM.
    """
    pending = drv.pending
    while pending and pending[0].seqno <= seqno:
        fence = pending.popleft()
        drv.last_seq = fence.seqno
        fence.complete(error if fence.seqno == seqno else 0)


def amdgpu_fence_emit(ring: AmdgpuRing, job: AmdgpuJob) -> AmdgpuFence:
    """Number a job that goes to the ring.

    Leaves out: writing the packet, waiting for a free slot among the fences of the ring, and runtime PM.
    """
    drv = ring.fence_drv
    drv.sync_seq += 1
    fence = AmdgpuFence(drv, job)
    drv.pending.append(fence)
    return fence


def amdgpu_fence_driver_set_error(ring: AmdgpuRing, error: int) -> None:
    """Say how every job on the ring will end, whatever was said before."""
    for fence in ring.fence_drv.pending:
        fence.set_error(error)


def amdgpu_fence_driver_force_completion(ring: AmdgpuRing) -> None:
    """End every job on the ring with ECANCELED.

    Leaves out: Linux 7.3's ETIME for the job that timed out.
    """
    amdgpu_fence_driver_set_error(ring, -errno.ECANCELED)
    while ring.hw.abort_current(-errno.ECANCELED):
        pass
    amdgpu_fence_process(ring.fence_drv, ring.fence_drv.sync_seq)


def amdgpu_ring_set_fence_errors_and_reemit(ring: AmdgpuRing, guilty: AmdgpuFence) -> None:
    """After the reset of one ring: blame the job that hung it, and cancel what its context queued behind it.

    Jobs of other contexts are put on the ring again, in some kernels (`reemits_jobs_once`) only once: with a second
    hang in front of them everything on the ring is cancelled.

    Leaves out: the copy of the ring: what stays on the model's ring is not written again. And (7.3) giving up where one
    job is guilty twice, which it cannot be here: its IBs are gone after the first reset.
    """
    twice = False
    for fence in ring.fence_drv.pending:
        fence.reemitted += 1
        if fence.reemitted > 1 and ring.adev.variant.reemits_jobs_once:
            twice = True
        elif fence is guilty:
            fence.set_error(-errno.ETIME)
        elif fence.job_context == guilty.job_context:
            fence.set_error(-errno.ECANCELED)
    if twice:
        amdgpu_fence_driver_force_completion(ring)
        return
    for fence in tuple(ring.fence_drv.pending):
        # Of the jobs of the guilty context only the fences are written again.
        if fence.error and fence.work is not None and not ring.hw.drop(fence.work, fence.error):
            amdgpu_fence_process(ring.fence_drv, fence.seqno)
