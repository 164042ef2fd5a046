# SPDX-License-Identifier: MIT
"""Sampling in C: what a sample is, what ends a run, what is known about one that was ended."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace

import numpy as np
import pytest

from amdgpu_hw import Engine, Gpu, KiB
from amdgpu_hw.address_space import Operation
from amdgpu_hw.gate import choose
from amdgpu_hw.libdrm import sampling
from amdgpu_hw.libdrm.sampling import Beat, InFlight, SamplePlan, Stage, Stop
from amdgpu_hw.measure.calls import IbMemory, NumberedContext, update_call
from amdgpu_hw.measure.load import Job, nop_job
from amdgpu_hw.uapi import amdgpu_drm as uapi

SIZE = 64 * KiB
COUNT = 8


@pytest.fixture
def plan(gpu: Gpu, context: NumberedContext) -> SamplePlan:
    """CLEAR and MAP of a PRT mapping beside a victim on a compute ring, without load."""
    place = gpu.reserve(SIZE)
    place.map_prt().wait()
    ib, update, victim, restored = IbMemory(gpu, 4 * KiB), gpu.syncobj(), gpu.syncobj(), gpu.syncobj()
    made = SamplePlan(
        fd=gpu.fileno(),
        operation=update_call(Operation.CLEAR, place.va, SIZE, update),
        update_fence=update.handle,
        victim=context.submission(Engine.COMPUTE, 1, ib.va, nop_job(gpu, ib, Engine.COMPUTE), victim),
        victim_fence=victim.handle,
        restore=update_call(Operation.MAP, place.va, SIZE, restored),
        restore_fence=restored.handle,
    )
    # What the handles and addresses in it belong to lives as long as the GPU is open.
    gpu.kept = (place, ib, update, victim, restored)  # type: ignore[attr-defined]
    return made


@pytest.fixture
def job(gpu: Gpu, context: NumberedContext) -> Job:
    """A load on the graphics ring that outlasts an update."""
    made = Job(gpu, context, Engine.GFX)
    made.calibrate(10_000_000)
    return made


def explicit(plan: SamplePlan, gpu: Gpu) -> SamplePlan:
    """The same with the flag."""
    fields = uapi.GEM_VA.as_dict(plan.operation.argument)
    fields["flags"] |= uapi.AMDGPU_VM_EXPLICIT_SYNC
    return replace(plan, operation=replace(plan.operation, argument=uapi.GEM_VA.pack(**fields)))


def test_every_sample_has_its_times(plan: SamplePlan) -> None:
    """The ioctl returns before its fence and the victim's are seen, and all of that takes time."""
    samples = sampling.run(plan, COUNT)
    assert samples.outcome.error == 0, samples.outcome
    assert samples.outcome.valid == COUNT
    for array in (samples.ioctl_ns, samples.fence_ns, samples.victim_ns):
        assert len(array) == COUNT
    assert (samples.ioctl_ns > 0).all()
    assert (samples.fence_ns >= samples.ioctl_ns).all(), samples
    assert (samples.victim_ns > samples.ioctl_ns).all(), samples
    assert not samples.load.any(), "no load was asked for"


def test_only_the_implicit_operation_waits_for_the_load(plan: SamplePlan, job: Job, gpu: Gpu) -> None:
    """When an explicit update and its victim are done the load goes on; when an implicit one is, it has ended."""
    loaded = replace(plan, load=job.call, load_jobs=3, load_fence=job.fence.handle)
    with_flag, without = sampling.run(explicit(loaded, gpu), COUNT), sampling.run(loaded, COUNT)
    assert with_flag.outcome.error == without.outcome.error == 0
    in_flight = InFlight.AT_START | InFlight.AT_END
    # One would do: on a busy machine some end late, but one that waits never ends early.
    assert (with_flag.load == in_flight).any(), f"no explicit update ended before the load did: {with_flag}"
    assert not (without.load & InFlight.AT_END).any(), f"an implicit update ended before the load did: {without}"


def test_a_refused_operation_ends_the_run(plan: SamplePlan) -> None:
    """The outcome names the call and the errno, and that no sample is valid."""
    fields = uapi.GEM_VA.as_dict(plan.operation.argument) | {"flags": 1 << 15}
    refused = replace(plan, operation=replace(plan.operation, argument=uapi.GEM_VA.pack(**fields)))
    samples = sampling.run(refused, COUNT)
    assert (samples.outcome.stage, samples.outcome.error) == (Stage.OPERATION, errno.EINVAL)
    assert samples.outcome.valid == len(samples.fence_ns) == 0


def test_samples_before_an_error_are_kept(plan: SamplePlan) -> None:
    """A restore that fails ends the run after a sample that was taken in full."""
    samples = sampling.run(replace(plan, restore=plan.operation, restore_fence=0), COUNT)
    assert (samples.outcome.stage, samples.outcome.error) == (Stage.WAIT_RESTORE, errno.ENOENT)
    assert samples.outcome.valid == len(samples.fence_ns) == 1


def test_a_wait_is_bounded(plan: SamplePlan, gpu: Gpu) -> None:
    """An implicit update behind a gate that stays shut ends the run with ETIME instead of never."""
    maker = choose(gpu.identity.node).maker
    assert maker is not None
    with maker.shut("a job of the address space", 3_000_000_000) as gate:
        gpu.gfx.submit(gpu.gfx.packets.nop(), wait=[gate.fence(gpu)])
        samples = sampling.run(replace(plan, timeout_ns=50_000_000), COUNT)
        assert gate.is_shut, gate.why_open
    assert (samples.outcome.stage, samples.outcome.error) == (Stage.WAIT_UPDATE, errno.ETIME)
    assert samples.outcome.valid == 0
    maker.close()


def test_calls_repeat_until_they_are_stopped(job: Job, gpu: Gpu) -> None:
    """Another thread stops them; every call that was begun has ended, one after the other."""
    stop = Stop()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    times = sampling.repeat(Beat(gpu.fileno(), [job.call], job.fence.handle), 10_000, stop)
    timer.join()
    assert times.outcome.error == 0
    assert 1 <= len(times.start_ns) < 10_000
    assert (times.end_ns > times.start_ns).all()
    assert (times.start_ns[1:] >= times.end_ns[:-1]).all()


def test_calls_keep_to_their_rate(job: Job, gpu: Gpu) -> None:
    """With a period they do not begin earlier than it says."""
    period = 20_000_000
    times = sampling.repeat(Beat(gpu.fileno(), [job.call], job.fence.handle, period), 4, Stop())
    assert times.outcome.valid == 4
    # Each start may be late, and the next is still on time; over all of them it cannot be early.
    assert times.start_ns[-1] - times.start_ns[0] >= 3 * period - 10_000_000, np.diff(times.start_ns)
