# SPDX-License-Identifier: MIT
"""The DRM GPU scheduler (drivers/gpu/drm/scheduler/sched_main.c; entities and fences in their own modules).

A job waits in its entity's FIFO until its dependencies are met, is handed to the ring with `run_job`, and is done when
the hardware fence that returned signals. Every step is taken from the kernel's work queue, never inside
`DmaFence.signal`.
"""

from __future__ import annotations

import errno
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.loop import TimerHandle
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.scheduler.sched_entity import DrmSchedEntity
from amdgpu_hw.mock.kernel.scheduler.sched_fence import DrmSchedFence, to_drm_sched_fence
from amdgpu_hw.mock.kernel.wait import WaitQueue

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = (
    "DRM_SCHED_PRIORITY_HIGH",
    "DRM_SCHED_PRIORITY_KERNEL",
    "DRM_SCHED_PRIORITY_LOW",
    "DRM_SCHED_PRIORITY_NORMAL",
    "DrmGpuSchedStat",
    "DrmGpuScheduler",
    "DrmSchedBackendOps",
    "DrmSchedEntity",
    "DrmSchedFence",
    "DrmSchedJob",
    "DrmSchedRq",
    "Guilty",
    "to_drm_sched_fence",
)

DRM_SCHED_PRIORITY_KERNEL = 0
DRM_SCHED_PRIORITY_HIGH = 1
DRM_SCHED_PRIORITY_NORMAL = 2
DRM_SCHED_PRIORITY_LOW = 3
_PRIORITY_COUNT = 4

_TDR_GRACE_NS = 100_000_000
"""A timer that is later than this is not the GPU's fault."""


class DrmGpuSchedStat(Enum):
    """What a driver did about a job that timed out."""

    RESET = "reset"
    """The GPU or the ring was reset; the job is over, or has been put back by `DrmGpuScheduler.stop`."""
    NO_HANG = "no hang"
    """A false alarm: the job goes on."""
    ENODEV = "no device"
    """The device is gone: no more timeouts."""


class Guilty:
    """A flag that the entities of a context share (`atomic_t *guilty`)."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = False


class DrmSchedJob:
    """`struct drm_sched_job`; drivers subclass it.

    Life: made, `add_dependency` any number of times, `arm` (the fences get their numbers: from here the job must be
    pushed), `push`. Raises ENOENT for an entity without a run queue. ``owner`` is kept in the fence.
    """

    __slots__ = (
        "_dependencies",
        "_pending_dependencies",
        "credits",
        "entity",
        "freed",
        "karma",
        "s_fence",
        "sched",
        "submit_order",
    )

    def __init__(self, entity: DrmSchedEntity, owner: object, num_credits: int = 1) -> None:
        if entity.rq is None:
            raise KernelError(errno.ENOENT, "entity has no rq")
        self.entity: DrmSchedEntity | None = entity
        self.sched: DrmGpuScheduler = entity.rq.sched
        self.s_fence = DrmSchedFence(owner)
        self.credits = num_credits
        self.karma = 0
        self.freed = False
        self.submit_order = 0
        self._dependencies: dict[int, DmaFence] | None = None
        self._pending_dependencies: deque[DmaFence] | None = None

    @property
    def client_id(self) -> int:
        """The DRM client it was submitted for, 0 for the kernel's own (which have numbers since 6.18)."""
        return 0

    @property
    def dependencies(self) -> tuple[DmaFence, ...]:
        """The fences the job was told to wait for, one for each context."""
        return tuple(self._dependencies.values()) if self._dependencies else ()

    def add_dependency(self, fence: DmaFence | None) -> None:
        """Do not run before ``fence`` signals; of two fences of one context the later counts."""
        if fence is None:
            return
        dependencies = self._dependencies
        if dependencies is None:
            self._dependencies = {fence.context: fence}
            return
        known = dependencies.get(fence.context)
        if known is None or fence.seqno > known.seqno:
            dependencies[fence.context] = fence

    def has_dependency(self, fence: DmaFence) -> bool:
        """Whether exactly this fence is among the dependencies."""
        return fence in self.dependencies

    def arm(self) -> None:
        """Choose the scheduler and number the fences (`drm_sched_job_arm`)."""
        entity = self.entity
        if entity is None:
            raise AssertionError("arm of a job that was pushed")
        entity.select_rq()
        if entity.rq is None:
            raise AssertionError("arm of a job without a scheduler that is ready")
        self.sched = entity.rq.sched
        entity.fence_seq += 1
        self.s_fence.init(self.sched, entity.fence_context, entity.fence_seq)

    def push(self) -> DmaFence:
        """Queue the armed job and return its finished fence."""
        if self.entity is None:
            raise AssertionError("push of a job that was pushed")
        self.entity.push_job(self)
        return self.s_fence

    def next_dependency(self, entity: DrmSchedEntity) -> DmaFence | None:
        """What to wait for next, the driver's own reasons last (`drm_sched_job_dependency`)."""
        if self._dependencies:
            pending = self._pending_dependencies
            if pending is None:
                pending = self._pending_dependencies = deque(self._dependencies.values())
            if pending:
                return pending.popleft()
        return self.sched.ops.prepare_job(self, entity)

    def forget_met_dependencies(self) -> None:
        """Keep only those that `next_dependency` has not given yet."""
        self._dependencies = {fence.context: fence for fence in self._pending_dependencies or ()}

    def done_cb(self, fence: DmaFence) -> None:
        """Callback of the hardware fence (`drm_sched_job_done_cb`)."""
        self.sched.job_done(self, fence.error)

    def kill_cb(self, _fence: DmaFence | None) -> None:
        """The job before it in a killed entity, or one of its dependencies, is done."""
        self.sched.kernel.work.queue(self._kill_work)

    def _kill_work(self) -> None:
        # drm_sched_entity_kill_jobs_work: even a cancelled job waits for everything it depends on, as whoever waits
        # for it relies on that. The relaxed "scheduled" fence does not do here.
        dependencies = self._dependencies
        while dependencies:
            _, fence = dependencies.popitem()
            s_fence = to_drm_sched_fence(fence)
            if (s_fence.finished if s_fence is not None else fence).add_callback(self.kill_cb):
                return
        self.s_fence.mark_scheduled(None)
        self.sched.score -= 1
        self.s_fence.signal(-errno.ESRCH)
        self.sched.free_job(self)


class DrmSchedBackendOps:
    """What a driver does for its scheduler (`struct drm_sched_backend_ops`)."""

    def prepare_job(self, job: DrmSchedJob, entity: DrmSchedEntity) -> DmaFence | None:
        """Asked until it gives None, once the declared dependencies are met: one more fence to wait for."""
        return None

    def run_job(self, job: DrmSchedJob) -> DmaFence | None:
        """Put the job on the ring and return its hardware fence; None: it is done; `KernelError`: it failed."""
        return None

    def timedout_job(self, job: DrmSchedJob) -> DrmGpuSchedStat:
        """The first job of the ring has been there for longer than the timeout."""
        return DrmGpuSchedStat.NO_HANG

    def free_job(self, job: DrmSchedJob) -> None:
        """The job is over and nothing refers to it any more."""


class DrmSchedRq:
    """The entities of one ``priority``, attached to it for good or until they move to another ring."""

    __slots__ = ("entities", "priority", "sched")

    def __init__(self, sched: DrmGpuScheduler, priority: int) -> None:
        self.sched = sched
        self.priority = priority
        self.entities: dict[DrmSchedEntity, None] = {}
        """An entity stays attached when its queue runs empty."""

    def add_entity(self, entity: DrmSchedEntity) -> None:
        """`drm_sched_rq_add_entity`; harmless when it is there already."""
        if entity not in self.entities:
            self.sched.score += 1
            self.entities[entity] = None

    def remove_entity(self, entity: DrmSchedEntity) -> None:
        """`drm_sched_rq_remove_entity`; harmless when it is not there."""
        if entity in self.entities:
            self.sched.score -= 1
            del self.entities[entity]
            self.sched.waiting.pop(entity, None)


class DrmGpuScheduler:
    """One ring's scheduler.

    ``hw_submission_limit``: how many credits (jobs) may be on the ring at a time. ``timeout``: ns that the first job
    may stay on the ring, None for ever; waiting for dependencies never times out. ``priv`` is the driver's (its ring).
    ``device_name`` is for traces.
    """

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        hw_submission_limit: int,
        ops: DrmSchedBackendOps,
        timeout: int | None = None,
        priv: object = None,
        device_name: str = "",
    ) -> None:
        self.kernel = kernel
        self.device_name = device_name
        self.name = name
        self.credit_limit = hw_submission_limit
        self.ops = ops
        self.timeout = timeout
        self.priv = priv
        self.ready = True
        self.pause_submit = False
        self.credit_count = 0
        self.score = 0
        """Load as `drm_sched_pick_best` sees it: attached entities and unfinished jobs."""
        self.sched_rq = tuple(DrmSchedRq(self, priority) for priority in range(_PRIORITY_COUNT))
        self.waiting: dict[DrmSchedEntity, None] = {}
        """The entities with a job in their queue, the only ones a scheduling pass has to look at."""
        self.pending_list: deque[DrmSchedJob] = deque()
        """Jobs on the ring, and finished ones that have not been cleaned up."""
        self.job_scheduled = WaitQueue()
        self._work_queued = False
        self._free_needed = False
        self._tdr_deadline: int | None = None
        self._tdr_timer: TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<scheduler {self.name}>"

    # -- the work ---------------------------------------------------------------------------------------------

    def wakeup(self) -> None:
        """Look for runnable jobs soon (`drm_sched_wakeup`)."""
        if not self._work_queued and not self.pause_submit:
            self._work_queued = True
            self.kernel.work.queue(self._work)

    def job_done(self, job: DrmSchedJob, result: int) -> None:
        """The hardware is done with a job (`drm_sched_job_done`); ``result``: 0 or a negative errno."""
        self.credit_count -= job.credits
        self.score -= 1
        job.s_fence.signal(result)
        if self.pause_submit:
            self._free_needed = True
            return
        # The kernel frees the job from a work item of its own. Nobody can tell: no driver here looks on.
        self._free_jobs()
        if self.waiting:
            self.wakeup()

    def free_job(self, job: DrmSchedJob) -> None:
        """Tell the driver, once, that a job is over."""
        if not job.freed:
            job.freed = True
            self.ops.free_job(job)

    def _work(self) -> None:
        # drm_sched_free_job_work, then drm_sched_run_job_work until the ring is full or nothing is ready.
        self._work_queued = False
        if self.pause_submit:
            return
        if self._free_needed:
            self._free_jobs()
        while self.waiting and (entity := self._select_entity()) is not None:
            job = entity.pop_job()
            if job is not None:
                self._run_job(job)

    def _select_entity(self) -> DrmSchedEntity | None:
        """The ready entity that is served next, None when there is none or the ring is full for its job."""
        ready = [entity for entity in self.waiting if entity.dependency is None]
        if not ready:
            return None
        best = min(ready, key=_rank) if len(ready) > 1 else ready[0]
        job = best.job_queue[0]
        if job.credits > self.credit_limit:
            self.kernel.log.warn(f"{self.name}: Jobs may not exceed the credit limit, truncate.")
            job.credits = self.credit_limit
        # A ready job that does not fit keeps those of lower priority back as well.
        return best if self.credit_count + job.credits <= self.credit_limit else None

    def _run_job(self, job: DrmSchedJob) -> None:
        job.entity = None
        self.credit_count += job.credits
        self.pending_list.append(job)
        self._start_timeout()
        result = 0
        try:
            fence = self.ops.run_job(job)
        except KernelError as error:
            fence, result = None, -error.errno
        job.s_fence.mark_scheduled(fence)
        if fence is None:
            self.job_done(job, result)
        elif not fence.add_callback(job.done_cb):
            self.job_done(job, fence.error)
        self.job_scheduled.wake_all()

    def _free_jobs(self) -> None:
        # drm_sched_get_finished_job: only from the head; the timeout then starts anew for the next one.
        self._free_needed = False
        pending = self.pending_list
        while pending and pending[0].s_fence.signaled:
            job = pending.popleft()
            self._tdr_deadline = None
            self.free_job(job)
        if pending and self._tdr_deadline is None:
            self._start_timeout()

    # -- timeouts and resets ----------------------------------------------------------------------------------

    def fault(self) -> None:
        """Treat the first job as hung now (`drm_sched_fault`)."""
        self._arm_timeout(self.kernel.now())

    def suspend_timeout(self) -> None:
        """Time no job out any more (`drm_sched_suspend_timeout`)."""
        self.timeout = None
        self._tdr_deadline = None

    def stop(self, bad: DrmSchedJob | None) -> None:
        """Stop handing out jobs and take the unfinished ones off their hardware fences (`drm_sched_stop`).

        ``bad``, the job that timed out, is put back first in line if it is this scheduler's.
        """
        self.pause_submit = True
        if bad is not None and bad.sched is self and bad not in self.pending_list:
            self.pending_list.appendleft(bad)
        for job in tuple(reversed(self.pending_list)):
            parent = job.s_fence.parent
            if parent is not None and parent.remove_callback(job.done_cb):
                job.s_fence.parent = None
                self.credit_count -= job.credits
            else:
                self.pending_list.remove(job)
                self.free_job(job)
        self._tdr_deadline = None

    def start(self, result: int = 0) -> None:
        """Go on after `stop` (`drm_sched_start`).

        A job that did not get a new hardware fence meanwhile (`s_fence.parent`) ends with ``result``, a negative
        errno, or -ECANCELED for 0.
        """
        for job in tuple(self.pending_list):
            self.credit_count += job.credits
            parent = job.s_fence.parent
            if parent is None:
                self.job_done(job, result or -errno.ECANCELED)
            elif not parent.add_callback(job.done_cb):
                self.job_done(job, parent.error or result)
        self._start_timeout()
        self.wqueue_start()

    def wqueue_start(self) -> None:
        """Hand out jobs again (`drm_sched_wqueue_start`)."""
        self.pause_submit = False
        self._free_needed = True
        self.wakeup()

    def increase_karma(self, bad: DrmSchedJob) -> None:
        """Blame the entity that ``bad`` came from (`drm_sched_increase_karma`): its context is guilty from now on."""
        bad.karma += 1
        for rq in self.sched_rq[DRM_SCHED_PRIORITY_HIGH:]:
            for entity in rq.entities:
                if entity.fence_context + 1 == bad.s_fence.context and entity.guilty is not None:
                    entity.guilty.value = True

    def fini(self) -> None:
        """Give the scheduler up: nothing runs any more (`drm_sched_fini`)."""
        self.ready = False
        self.pause_submit = True
        for rq in self.sched_rq:
            for entity in rq.entities:
                # Whoever flushes the entity must not wait for a scheduler that is gone.
                entity.stopped = True
        self.job_scheduled.wake_all()
        self._tdr_deadline = None
        if self._tdr_timer is not None:
            self._tdr_timer.cancel()

    def _start_timeout(self) -> None:
        if self.timeout is not None and self.pending_list:
            self._arm_timeout(self.kernel.now() + self.timeout)

    def _arm_timeout(self, deadline: int) -> None:
        # One timer that catches up with the deadline when it runs out: no timer for each job.
        self._tdr_deadline = deadline
        timer = self._tdr_timer
        if timer is None or timer.function is None or timer.deadline > deadline:
            if timer is not None:
                timer.cancel()
            self._tdr_timer = self.kernel.timers.call_at(deadline, self._tdr_expired)

    def _tdr_expired(self) -> None:
        self._tdr_timer = None
        deadline = self._tdr_deadline
        if deadline is None:
            return
        late = self.kernel.now() - deadline
        if late < 0:
            self._arm_timeout(deadline)
        elif late > _TDR_GRACE_NS:
            # The mock kernel stood still, and its GPUs with it: the job has lost that time through no fault of its own.
            self._arm_timeout(deadline + 2 * late)
        else:
            self._tdr_deadline = None
            self._job_timedout()

    def _job_timedout(self) -> None:
        # drm_sched_job_timedout: the job is off the list while the driver deals with it.
        pending = self.pending_list
        status = DrmGpuSchedStat.RESET
        if pending:
            job = pending.popleft()
            status = self.ops.timedout_job(job)
            if job not in pending:
                pending.appendleft(job)
                self._free_needed = True
                self.wakeup()
        if status is not DrmGpuSchedStat.ENODEV:
            self._start_timeout()


def _rank(entity: DrmSchedEntity) -> tuple[int, int]:
    """Higher priority first, then who submitted its head job first (`drm_sched_rq_select_entity_fifo`)."""
    priority = entity.rq.priority if entity.rq is not None else _PRIORITY_COUNT
    return priority, entity.oldest_job_waiting
