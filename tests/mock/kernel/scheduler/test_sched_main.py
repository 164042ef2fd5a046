# SPDX-License-Identifier: MIT
"""The scheduler: FIFOs, dependencies, credits, timeouts, errors (KERNEL.md 4.4, 8.3)."""

from __future__ import annotations

import errno
import time
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.kernel.scheduler.sched_main import (
    DRM_SCHED_PRIORITY_HIGH,
    DRM_SCHED_PRIORITY_NORMAL,
    DrmGpuSchedStat,
    DrmGpuScheduler,
    DrmSchedBackendOps,
    DrmSchedEntity,
    DrmSchedJob,
    Guilty,
    to_drm_sched_fence,
)
from tests.mock.kernel.fake_caller import Call, FakeCaller, boot, settle

MSEC = 1_000_000


class Ring(DrmSchedBackendOps):
    """Hardware under the test's control: jobs end when the test says so."""

    def __init__(self) -> None:
        self.context = dma_fence_context_alloc()
        self.jobs: list[DrmSchedJob] = []
        self.fences: dict[DrmSchedJob, DmaFence] = {}
        self.timed_out: list[DrmSchedJob] = []
        self.freed: list[DrmSchedJob] = []
        self.on_timeout: Any = lambda job: DrmGpuSchedStat.NO_HANG

    def run_job(self, job: DrmSchedJob) -> DmaFence | None:
        self.jobs.append(job)
        fence = self.fences[job] = DmaFence(self.context, len(self.jobs))
        return fence

    def timedout_job(self, job: DrmSchedJob) -> DrmGpuSchedStat:
        self.timed_out.append(job)
        status: DrmGpuSchedStat = self.on_timeout(job)
        return status

    def free_job(self, job: DrmSchedJob) -> None:
        self.freed.append(job)


class Bench:
    """A kernel with two rings."""

    def __init__(self, variant: str = "base") -> None:
        self.kernel: Kernel = boot(variant)
        self.rings = [Ring(), Ring()]
        self.scheds = [DrmGpuScheduler(self.kernel, f"sdma{i}", 2, ring) for i, ring in enumerate(self.rings)]

    def entity(self, *scheds: int, priority: int = DRM_SCHED_PRIORITY_NORMAL, guilty: Any = None) -> DrmSchedEntity:
        return DrmSchedEntity([self.scheds[i] for i in scheds or (0,)], priority, guilty)

    def push(self, entity: DrmSchedEntity, *dependencies: DmaFence, owner: object = "vm") -> DrmSchedJob:
        job = DrmSchedJob(entity, owner)
        for fence in dependencies:
            job.add_dependency(fence)
        job.arm()
        job.push()
        return job

    def run(self) -> None:
        settle(self.kernel)

    def end(self, job: DrmSchedJob, error: int = 0) -> None:
        """The hardware finishes a job."""
        next(ring.fences[job] for ring in self.rings if job in ring.fences).signal(error)
        self.run()


@pytest.fixture
def bench() -> Bench:
    """Two idle rings."""
    return Bench()


def gate() -> DmaFence:
    """A fence of nobody's scheduler that has not signalled."""
    return DmaFence(dma_fence_context_alloc(), 1)


def test_jobs_run_from_the_work_queue(bench: Bench) -> None:
    """push() runs nothing; neither does the signal of a dependency."""
    g = gate()
    job = bench.push(bench.entity(), g)
    bench.run()
    g.signal()
    assert bench.rings[0].jobs == []
    bench.run()
    assert bench.rings[0].jobs == [job]


def test_fifo_head_holds_up_what_is_behind(bench: Bench) -> None:
    """KERNEL.md 4.4: a job without dependencies waits behind one whose dependency is open; another entity does not."""
    g, entity = gate(), bench.entity()
    blocked, behind = bench.push(entity, g), bench.push(entity)
    other = bench.push(bench.entity())
    bench.run()
    assert bench.rings[0].jobs == [other]
    g.signal()
    bench.run()
    assert bench.rings[0].jobs == [other, blocked]
    bench.end(other)
    assert bench.rings[0].jobs == [other, blocked, behind]


def test_only_the_heads_dependencies_are_looked_at(bench: Bench) -> None:
    """Nobody listens to the dependency of a job that is not at the head."""
    first, second, entity = gate(), gate(), bench.entity()
    bench.push(entity, first)
    bench.push(entity, second)
    bench.run()
    assert entity.dependency is first
    assert second._callbacks is None


def test_ring_takes_as_many_jobs_as_it_has_credits(bench: Bench) -> None:
    """hw_submission_limit 2: the third job waits for the first to end."""
    entity = bench.entity()
    jobs = [bench.push(entity) for _ in range(3)]
    bench.run()
    assert bench.rings[0].jobs == jobs[:2]
    bench.end(jobs[0])
    assert bench.rings[0].jobs == jobs
    assert bench.rings[0].freed == jobs[:1]


def test_oldest_head_first_and_priority_before_age(bench: Bench) -> None:
    """DRM_SCHED_POLICY_FIFO: by submission of the head job, within a priority."""
    old, young = bench.entity(), bench.entity()
    high = bench.entity(priority=DRM_SCHED_PRIORITY_HIGH)
    jobs = [bench.push(old), bench.push(young), bench.push(old), bench.push(high)]
    bench.run()
    assert bench.rings[0].jobs == [jobs[3], jobs[0]]
    bench.end(jobs[3])
    bench.end(jobs[0])
    assert bench.rings[0].jobs[2:] == [jobs[1], jobs[2]]


def test_same_scheduler_needs_only_scheduled(bench: Bench) -> None:
    """A dependency on a job of the same ring is met when that job is on the ring."""
    first = bench.push(bench.entity())
    second = bench.push(bench.entity(), first.s_fence.finished)
    bench.run()
    assert bench.rings[0].jobs == [first, second]
    assert not first.s_fence.finished.signaled


def test_dont_pipeline_needs_finished(bench: Bench) -> None:
    """Page-table fences handed to callers carry DONT_PIPELINE: the same ring has to finish them first."""
    first = bench.push(bench.entity())
    first.s_fence.finished.dont_pipeline = True
    second = bench.push(bench.entity(), first.s_fence.finished)
    bench.run()
    assert bench.rings[0].jobs == [first]
    bench.end(first)
    assert bench.rings[0].jobs == [first, second]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("same_entity", [False, True])
def test_a_job_of_the_ring_that_the_driver_names_twice_must_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, same_entity: bool
) -> None:
    """amdgpu_vmid_grab names a VMID's last job: that it was scheduled is not enough, and nothing is asked for ever."""
    entity = bench.entity()
    first = bench.push(entity)
    bench.run()
    needs = {False: first.s_fence, True: None}
    monkeypatch.setattr(bench.rings[0], "prepare_job", lambda job, entity: needs[first.s_fence.signaled])
    second = bench.push(entity if same_entity else bench.entity())
    bench.run()
    assert bench.rings[0].jobs == [first]
    bench.end(first)
    bench.run()
    assert bench.rings[0].jobs == [first, second]


def test_other_scheduler_needs_finished(bench: Bench) -> None:
    """Two rings do not order each other."""
    first = bench.push(bench.entity(0))
    second = bench.push(bench.entity(1), first.s_fence.finished)
    bench.run()
    assert bench.rings[1].jobs == []
    bench.end(first)
    assert bench.rings[1].jobs == [second]


def test_scheduled_fence_can_be_waited_for(bench: Bench) -> None:
    """SCHEDULED_DEPENDENCIES: another ring goes on as soon as the job is on its ring."""
    g = gate()
    first = bench.push(bench.entity(0), g)
    second = bench.push(bench.entity(1), first.s_fence.scheduled)
    bench.run()
    assert bench.rings[1].jobs == []
    g.signal()
    bench.run()
    assert bench.rings[1].jobs == [second]
    assert first.s_fence.scheduled.signaled
    assert first.s_fence.scheduled.context + 1 == first.s_fence.finished.context


def test_own_fences_are_no_dependencies(bench: Bench) -> None:
    """The FIFO orders an entity's jobs already."""
    entity = bench.entity()
    first = bench.push(entity)
    second = bench.push(entity, first.s_fence.finished)
    bench.run()
    assert bench.rings[0].jobs == [first, second]


def test_dependencies_are_one_for_each_context(bench: Bench) -> None:
    """Of two fences of one context the later counts, in whatever order they come."""
    context = dma_fence_context_alloc()
    early, late = DmaFence(context, 1), DmaFence(context, 2)
    job = DrmSchedJob(bench.entity(), "vm")
    for fence in (late, early):
        job.add_dependency(fence)
    assert job.dependencies == (late,)
    assert job.has_dependency(late)
    assert not job.has_dependency(early)


def test_entity_moves_only_when_idle(bench: Bench) -> None:
    """KERNEL.md 4.4: an entity of two rings stays while it has queued or unfinished jobs, then takes the idler one."""
    entity = bench.entity(0, 1)
    first = bench.push(entity)
    assert first.sched is bench.scheds[0]
    bench.run()
    blockers = [bench.push(bench.entity(0)) for _ in range(3)]
    assert bench.push(entity).sched is bench.scheds[0], "its first job has not finished"
    bench.run()
    for job in (first, *blockers[:1]):
        bench.end(job)
    while bench.rings[0].jobs[-1] not in bench.rings[0].freed:
        bench.end(next(job for job in bench.rings[0].jobs if job not in bench.rings[0].freed))
    gated = [bench.push(bench.entity(0), gate()) for _ in range(3)]
    assert bench.push(entity).sched is bench.scheds[1], f"{len(gated)} jobs wait for the other ring"


def test_owner_is_found_from_both_fences(bench: Bench) -> None:
    """to_drm_sched_fence: what amdgpu_sync decides by."""
    job = bench.push(bench.entity(), owner="me")
    for fence in (job.s_fence.finished, job.s_fence.scheduled):
        s_fence = to_drm_sched_fence(fence)
        assert s_fence is not None
        assert s_fence.owner == "me"
        assert s_fence.sched is bench.scheds[0]
    assert to_drm_sched_fence(gate()) is None


def test_errors_stick_to_fence_and_entity(bench: Bench) -> None:
    """A job that fails on the ring, or cannot be put on it, ends with that error; the next good one clears it."""
    entity = bench.entity()
    job = bench.push(entity)
    bench.run()
    bench.end(job, -errno.ENODATA)
    assert job.s_fence.finished.error == -errno.ENODATA
    assert entity.error == -errno.ENODATA

    def fail(job: DrmSchedJob) -> DmaFence | None:
        raise KernelError(errno.EIO)

    ring = bench.rings[0]
    run_job, ring.run_job = ring.run_job, fail  # type: ignore[method-assign]
    assert bench.push(entity).s_fence is not None
    bench.run()
    assert entity.error == -errno.EIO
    ring.run_job = run_job  # type: ignore[method-assign]
    bench.push(entity)
    bench.run()
    assert entity.error == 0


def test_guilty_context_runs_cancelled(bench: Bench) -> None:
    """A job of a guilty context is marked -ECANCELED before the driver sees it."""
    guilty = Guilty()
    entity = bench.entity(guilty=guilty)
    bad = bench.push(entity)
    bench.run()
    bench.scheds[0].increase_karma(bad)
    assert guilty.value
    job = bench.push(entity)
    bench.run()
    assert job.s_fence.finished.error == -errno.ECANCELED


def test_killed_entity_cancels_in_order_and_waits_for_dependencies(bench: Bench) -> None:
    """drm_sched_entity_kill: -ESRCH, but not before the job's dependencies and its predecessor are done."""
    g, entity = gate(), bench.entity()
    jobs = [bench.push(entity, g), bench.push(entity)]
    bench.run()
    entity.fini()
    bench.run()
    assert not any(job.s_fence.finished.signaled for job in jobs)
    g.signal()
    bench.run()
    assert [job.s_fence.finished.error for job in jobs] == [-errno.ESRCH] * 2
    assert bench.rings[0].jobs == []
    assert bench.rings[0].freed == jobs


def test_6_1_forgets_what_a_killed_job_waited_for() -> None:
    """drm_sched_entity_fini there: not the fences that pop_job had taken from the job at the head, but all others."""
    bench = Bench("6.1")
    first, second, third = gate(), gate(), gate()
    entity = bench.entity()
    jobs = [bench.push(entity, first, second), bench.push(entity, third)]
    bench.run()
    entity.fini()
    bench.run()
    assert not jobs[0].s_fence.finished.signaled, "only the first of two fences had been waited for"
    second.signal()
    bench.run()
    assert jobs[0].s_fence.finished.error == -errno.ESRCH
    assert not jobs[1].s_fence.finished.signaled
    third.signal()
    bench.run()
    assert jobs[1].s_fence.finished.error == -errno.ESRCH


def test_flush_sleeps_until_the_queue_is_empty(bench: Bench) -> None:
    """KERNEL.md 4.8: close() waits until queued jobs are on the ring; a signal does not end that, SIGKILL does."""
    g, entity = gate(), bench.entity()
    bench.push(entity, g)
    caller = FakeCaller(bench.kernel)
    flushing, killed = Call(caller, entity.flush), Call(caller, entity.flush)
    assert not flushing.interrupt().done
    assert killed.kill()
    limited = Call(caller, lambda: entity.flush(time.monotonic_ns() + 2 * MSEC))
    assert limited.wait().error == 0
    assert not entity.is_idle
    g.signal()
    assert flushing.settle().done


def test_timeout_counts_from_the_ring(bench: Bench) -> None:
    """KERNEL.md 4.7: waiting for a dependency never times out; the first job on the ring does."""
    bench.scheds[0].timeout = 20 * MSEC
    g, ring = gate(), bench.rings[0]
    job = bench.push(bench.entity(), g)
    time.sleep(0.03)
    bench.run()
    assert ring.timed_out == []
    g.signal()
    bench.run()
    time.sleep(0.03)
    bench.run()
    assert ring.timed_out == [job]
    assert list(bench.scheds[0].pending_list) == [job], "a false alarm leaves the job where it was"
    bench.end(job)
    assert ring.freed == [job]


def test_timeout_that_ends_the_job(bench: Bench) -> None:
    """Soft recovery: the driver lets the hardware fence fail; the next job gets a timeout of its own."""
    bench.scheds[0].timeout = 20 * MSEC
    ring, entity = bench.rings[0], bench.entity()

    def recover(job: DrmSchedJob) -> DrmGpuSchedStat:
        ring.fences[job].signal(-errno.ENODATA)
        return DrmGpuSchedStat.RESET

    ring.on_timeout = recover
    jobs = [bench.push(entity), bench.push(entity)]
    bench.run()
    for number in (1, 2):
        time.sleep(0.03)
        bench.run()
        assert len(ring.timed_out) == number
    assert [job.s_fence.finished.error for job in jobs] == [-errno.ENODATA] * 2
    assert ring.freed == jobs
    assert bench.scheds[0].credit_count == 0


def test_stop_and_start_around_a_reset(bench: Bench) -> None:
    """A full reset: jobs come off their hardware fences and end with the reset's error; queued ones run afterwards."""
    sched, entity = bench.scheds[0], bench.entity()
    jobs = [bench.push(entity) for _ in range(3)]
    bench.run()
    sched.stop(None)
    bench.rings[0].fences[jobs[0]].signal()
    bench.run()
    assert not jobs[0].s_fence.finished.signaled, "a stopped scheduler listens to no hardware fence"
    sched.start(-errno.ETIME)
    bench.run()
    assert [job.s_fence.finished.error for job in jobs[:2]] == [-errno.ETIME] * 2
    assert bench.rings[0].jobs == jobs
    bench.end(jobs[2])
    assert sched.credit_count == 0
    assert list(sched.pending_list) == []


def test_no_recursion_in_a_long_line_of_dependencies(bench: Bench) -> None:
    """Each of 3000 jobs, on alternating rings, depends on the one before."""
    previous: list[DmaFence] = [gate()]
    first = previous[0]
    for ring in bench.rings:
        ring.run_job = lambda job: None  # type: ignore[method-assign]
    entities = [bench.entity(0), bench.entity(1)]
    for number in range(3000):
        previous.append(bench.push(entities[number % 2], previous[-1]).s_fence.finished)
    bench.run()
    assert not previous[1].signaled
    first.signal()
    bench.run()
    assert previous[-1].signaled


def test_push_to_a_killed_entity_is_reported(bench: Bench) -> None:
    """The kernel only logs it."""
    entity = bench.entity()
    entity.kill()
    bench.push(entity)
    bench.run()
    assert bench.rings[0].jobs == []
    assert "killed entity" in bench.kernel.log.text()
