# SPDX-License-Identifier: MIT
"""Entities: the FIFOs in front of the schedulers (drivers/gpu/drm/scheduler/sched_entity.c)."""

from __future__ import annotations

import errno
import itertools
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.scheduler.sched_fence import to_drm_sched_fence
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, Wake

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmGpuScheduler, DrmSchedJob, DrmSchedRq, Guilty

__all__ = ("DrmSchedEntity",)

ECANCELED = 125
ESRCH = 3

_submit_order = itertools.count(1)


class DrmSchedEntity:
    """One FIFO of jobs. A job whose dependencies are not met holds up every job behind it.

    ``sched_list``: the schedulers its jobs may run on; it moves between them only while its queue is empty and its
    last job has finished. ``guilty``: shared by the entities of a context; once set, every job is cancelled.
    ``fence_context`` numbers the scheduled fences, ``fence_context + 1`` the finished ones.
    """

    __slots__ = (
        "dependency",
        "fence_context",
        "fence_seq",
        "guilty",
        "job_queue",
        "last_scheduled",
        "oldest_job_waiting",
        "priority",
        "rq",
        "sched_list",
        "stopped",
    )

    def __init__(self, sched_list: Sequence[DrmGpuScheduler], priority: int, guilty: Guilty | None = None) -> None:
        self.priority = priority
        self.sched_list: Sequence[DrmGpuScheduler] | None = sched_list if len(sched_list) > 1 else None
        self.rq: DrmSchedRq | None = sched_list[0].sched_rq[priority] if sched_list else None
        self.guilty = guilty
        self.fence_context = dma_fence_context_alloc(2)
        self.fence_seq = 0
        self.job_queue: deque[DrmSchedJob] = deque()
        self.dependency: DmaFence | None = None
        """What the head job waits for."""
        self.last_scheduled: DmaFence | None = None
        """Finished fence of the job that last left the queue."""
        self.oldest_job_waiting = 0
        self.stopped = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits in the queue (`drm_sched_entity_is_idle`); jobs may still be on the ring."""
        return not self.job_queue or self.stopped

    @property
    def error(self) -> int:
        """Error of the last job that left the queue, 0 or a negative errno (`drm_sched_entity_error`)."""
        return self.last_scheduled.error if self.last_scheduled is not None else 0

    def modify_sched(self, sched_list: Sequence[DrmGpuScheduler]) -> None:
        """Change the schedulers the entity may run on; counts from the next job armed."""
        self.sched_list = sched_list

    def set_priority(self, priority: int) -> None:
        """Change the priority; counts from the next time the entity picks a run queue."""
        self.priority = priority

    def select_rq(self) -> None:
        """Pick the least loaded scheduler, if the entity may move now (`drm_sched_entity_select_rq`)."""
        if self.sched_list is None or self.job_queue:
            return
        if self.last_scheduled is not None and not self.last_scheduled.signaled:
            return
        sched = _pick_best(self.sched_list)
        rq = sched.sched_rq[self.priority] if sched is not None else None
        if rq is not self.rq:
            if self.rq is not None:
                self.rq.remove_entity(self)
            self.rq = rq
        if len(self.sched_list) == 1:
            self.sched_list = None

    def push_job(self, job: DrmSchedJob) -> None:
        """Queue an armed job (`drm_sched_entity_push_job`); it runs from the kernel's work queue, not in this call."""
        rq = self.rq
        if rq is None:
            raise AssertionError("push to an entity without a run queue")
        sched = rq.sched
        sched.score += 1
        job.submit_order = next(_submit_order)
        if sched.kernel.tracing.buffers:
            sched.kernel.tracing.drm_sched_job_queue(job, self)
        first = not self.job_queue
        self.job_queue.append(job)
        if first:
            if self.stopped:
                sched.kernel.log.err("*ERROR* Trying to push to a killed entity")
                return
            self.oldest_job_waiting = job.submit_order
            rq.add_entity(self)
            sched.waiting[self] = None
            sched.wakeup()

    def pop_job(self) -> DrmSchedJob | None:
        """Take the head job if its dependencies are met, else listen to the first that is not."""
        job = self.job_queue[0]
        previous: DmaFence | None = None
        while (dependency := job.next_dependency(self)) is not None:
            if self._add_dependency_cb(dependency):
                return None
            # A driver that names the same job of this ring or entity again wants its end (amdgpu_vmid_grab). The kernel
            # asks until that has come (drm_sched_entity_pop_job). Here nothing ends meanwhile: there is one thread.
            if dependency is previous and self._listen(dependency):
                return None
            previous = dependency
        if self.guilty is not None and self.guilty.value:
            job.s_fence.set_error(-errno.ECANCELED)
        self.last_scheduled = job.s_fence
        self.job_queue.popleft()
        if self.job_queue:
            self.oldest_job_waiting = self.job_queue[0].submit_order
        elif self.rq is not None:
            del self.rq.sched.waiting[self]
        return job

    def flush(self, deadline: int | None = None, killed: bool = False) -> Blocking[None]:
        """Sleep until the queue is empty (`drm_sched_entity_flush`); jobs may then still run.

        ``deadline`` (absolute, ns) is for a process that exits. SIGKILL ends the sleep, no other signal does.
        ``killed``: the process died of SIGKILL; what is still queued is cancelled.
        """
        while not self.is_idle:
            if self.rq is None:
                break
            if (yield Sleep((self.rq.sched.job_scheduled,), deadline)) is Wake.TIMED_OUT:
                break
        if killed:
            self.kill()

    def kill(self) -> None:
        """Cancel the queued jobs in order, each when its dependencies are done (`drm_sched_entity_kill`)."""
        rq = self.rq
        if rq is None:
            return
        self.stopped = True
        rq.remove_entity(self)
        if self.dependency is not None and self.job_queue and rq.sched.kernel.variant.forgets_awaited_dependency:
            self.job_queue[0].forget_met_dependencies()
        previous = self.last_scheduled
        while self.job_queue:
            job = self.job_queue.popleft()
            if previous is None or not previous.add_callback(job.kill_cb):
                job.kill_cb(None)
            previous = job.s_fence
        rq.sched.job_scheduled.wake_all()

    def fini(self) -> None:
        """Give the entity up: kill what is left and forget the fences (`drm_sched_entity_fini`)."""
        self.kill()
        if self.dependency is not None:
            self.dependency.remove_callback(self._wakeup)
            self.dependency = None
        self.last_scheduled = None

    def _add_dependency_cb(self, fence: DmaFence) -> bool:
        if fence.context == self.fence_context or fence.context == self.fence_context + 1:
            return False  # The FIFO orders the entity's own jobs.
        s_fence = to_drm_sched_fence(fence)
        if (
            s_fence is not None
            and not fence.error
            and not fence.dont_pipeline
            and self.rq is not None
            and s_fence.sched is self.rq.sched
        ):
            # The ring executes in order: it is enough that the other job went there first.
            fence = s_fence.scheduled
        return self._listen(fence)

    def _listen(self, fence: DmaFence) -> bool:
        """Look for jobs again when the fence signals; False when it has."""
        self.dependency = fence
        if fence.add_callback(self._wakeup):
            return True
        self.dependency = None
        return False

    def _wakeup(self, _fence: DmaFence) -> None:
        self.dependency = None
        if self.rq is not None:
            self.rq.sched.wakeup()


def _pick_best(sched_list: Sequence[DrmGpuScheduler]) -> DrmGpuScheduler | None:
    best: DrmGpuScheduler | None = None
    for sched in sched_list:
        if sched.ready and (best is None or sched.score < best.score):
            best = sched
    return best
