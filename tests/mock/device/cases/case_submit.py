# SPDX-License-Identifier: MIT
"""Contexts, queues and submissions."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw import Buffer, DrmError, Engine, FeatureMissing, Gpu, Ib, KiB, PendingWork, Queue, QueueFull
from amdgpu_hw.submit import MAX_PENDING
from tests.mock.device.cases.gates import Gate


@pytest.fixture
def target(gpu: Gpu) -> tuple[Buffer, int]:
    """A mapped buffer for jobs to write into, and its address."""
    buffer, place = gpu.alloc(4 * KiB), gpu.reserve(4 * KiB)
    buffer.fill(0)
    place.map(buffer)
    target.keep = place  # type: ignore[attr-defined]  # the range lives as long as the buffer is used
    return buffer, place.va


def write(queue: Queue, va: int, value: int) -> list[int]:
    """Packets that write one dword, on any engine."""
    packets = queue.packets
    return packets.write(va, [value]) if queue.engine is Engine.SDMA else packets.write_data(va, [value])  # type: ignore[union-attr]


def queues(gpu: Gpu) -> list[Queue]:
    """Every ring of the GPU."""
    rings = gpu.capabilities.rings
    return [gpu.context.queue(engine, ring) for engine in Engine for ring in rings[engine].rings]


def test_a_job_on_every_ring(gpu: Gpu, target: tuple[Buffer, int]) -> None:
    """Each ring executes what it is given, and says when it is done."""
    buffer, va = target
    for index, queue in enumerate(queues(gpu)):
        job = queue.submit(write(queue, va + 4 * index, index + 1), buffers=[buffer])
        assert job.wait(), f"{job} did not end"
        assert job.signaled()
        assert job.error is None
        assert buffer.read_u32(4 * index) == index + 1, f"{job} wrote nothing"


def test_submissions_are_numbered_from_one(gpu: Gpu) -> None:
    """Per ring of a context."""
    with gpu.new_context() as context:
        queue = context.queue(Engine.COMPUTE)
        assert context.queue(Engine.COMPUTE) is queue
        jobs = [queue.submit(queue.packets.nop()) for _ in range(3)]
        assert [job.fence_seq for job in jobs] == [1, 2, 3]
        assert str(jobs[2]) == "job 3 of compute0"
        assert all(job.wait() for job in jobs)


def test_a_gpu_without_the_ring_says_which_it_has(gpu: Gpu, machine_gpus: list[str]) -> None:
    """CDNA 3 has no graphics ring, and nobody has compute ring 99."""
    with pytest.raises(FeatureMissing, match="has no COMPUTE ring 99: it has 0, 1, 2, 3"):
        gpu.context.queue(Engine.COMPUTE, 99)
    if machine_gpus[0] == "mi300x":
        with pytest.raises(FeatureMissing, match="has no GFX ring 0: it has none"):
            _ = gpu.gfx
    else:
        assert str(gpu.gfx) == "gfx0"


def test_several_ibs_run_in_order(gpu: Gpu, target: tuple[Buffer, int]) -> None:
    """One submission, three IBs, one of them longer than a page."""
    buffer, va = target
    queue = gpu.compute
    long = [word for _ in range(300) for word in write(queue, va, 1)]
    ibs = [Ib(long), Ib(write(queue, va + 4, 2)), Ib(write(queue, va, 3))]
    assert queue.submit(ibs, buffers=[buffer]).wait()
    assert (buffer.read_u32(0), buffer.read_u32(4)) == (3, 2)


def test_dwords_beside_ibs_are_refused(gpu: Gpu, target: tuple[Buffer, int]) -> None:
    """Neither kind is left out silently: nothing of a mixture is submitted, whichever comes first."""
    buffer, va = target
    queue = gpu.compute
    words = write(queue, va, 7)
    for mixture in ([*words, Ib(words)], [Ib(words), *words]):
        with pytest.raises(TypeError, match="the dwords of one IB, or a sequence of Ib: not both at once"):
            queue.submit(mixture, buffers=[buffer])  # type: ignore[arg-type]  # what a caller without mypy may do
    assert queue.submit(queue.packets.nop()).wait()
    assert buffer.read_u32(0) == 0, "a part of the mixture ran"


def test_an_always_valid_buffer_needs_no_list(gpu: Gpu) -> None:
    """Jobs write into it without naming it."""
    with gpu.alloc(4 * KiB, always_valid=True) as buffer, gpu.reserve(4 * KiB) as place:
        buffer.fill(0)
        place.map(buffer)
        assert gpu.compute.submit(write(gpu.compute, place.va, 99)).wait()
        assert buffer.read_u32() == 99


def test_a_job_waits_for_syncobjs_and_signals_them(gpu: Gpu, gate: Gate) -> None:
    """Binary ones: the job is in flight until the gate opens, and so is what waits for it."""
    with gpu.syncobj() as done:
        first = gpu.compute.submit(gpu.compute.packets.nop(), wait=[gate.syncobj], signal=[done])
        second = gpu.sdma.submit(gpu.sdma.packets.nop(), wait=[done])
        assert not second.wait(30_000_000)
        assert not first.signaled()
        gate.open()
        assert second.wait()
        assert first.signaled()
        assert done.signaled()


def test_a_job_waits_for_points_and_signals_them(gpu: Gpu) -> None:
    """Timelines, together with a binary syncobj in one submission."""
    with gpu.syncobj() as timeline, gpu.syncobj() as binary:
        timeline.signal(1)
        job = gpu.compute.submit(gpu.compute.packets.nop(), wait=[timeline.point(1)], signal=[(timeline, 2), binary])
        assert job.wait()
        assert timeline.point(2).wait()
        assert binary.wait()
        with pytest.raises(DrmError) as caught:
            gpu.compute.submit(gpu.compute.packets.nop(), wait=[(timeline, 77)])
        assert caught.value.errno == errno.EINVAL, "a point that does not exist"


def test_a_job_runs_after_other_jobs(gpu: Gpu, gate: Gate) -> None:
    """DEPENDENCIES: on another ring of the same context."""
    first = gate.job(gpu.compute)
    second = gpu.sdma.submit(gpu.sdma.packets.nop(), after=[first])
    assert not second.wait(30_000_000)
    gate.open()
    assert second.wait()


def test_a_jobs_fence_as_a_syncobj(gpu: Gpu, gate: Gate) -> None:
    """FENCE_TO_HANDLE, asked for after the fact."""
    job = gate.job(gpu.compute)
    with job.out_syncobj as fence:
        assert not fence.signaled()
        gate.open()
        assert fence.wait()


def test_one_more_job_would_block_the_address_space(gpu: Gpu, gate: Gate) -> None:
    """The queue refuses before the kernel sleeps with the page directory locked, and goes on afterwards."""
    jobs = [gate.job(gpu.compute) for _ in range(MAX_PENDING)]
    with pytest.raises(QueueFull, match="31 jobs of compute0 are pending"):
        gate.job(gpu.compute)
    gate.open()
    assert jobs[-1].wait()
    assert gpu.compute.submit(gpu.compute.packets.nop()).wait()
    assert gpu.compute.pending() == []


def test_memory_for_ibs_is_used_again(gpu: Gpu, target: tuple[Buffer, int]) -> None:
    """More submissions than the pool has slots."""
    buffer, va = target
    queue = gpu.compute
    for value in range(1, 301):
        job = queue.submit(write(queue, va, value), buffers=[buffer])
    assert job.wait()
    assert buffer.read_u32() == 300


def test_a_submission_has_an_ib(gpu: Gpu) -> None:
    """The kernel takes none without."""
    with pytest.raises(ValueError, match="at least one IB"):
        gpu.compute.submit([])


def test_a_context_is_not_closed_under_its_jobs(gpu: Gpu, gate: Gate) -> None:
    """The kernel would kill them; it says what is pending instead, and closes once they are done."""
    context = gpu.new_context()
    gate.job(context.queue(Engine.COMPUTE))
    with pytest.raises(PendingWork, match="job 1 of compute0 did not end"):
        context.close(timeout_ns=20_000_000)
    gate.open()
    context.close()
    with pytest.raises(ValueError, match="context is closed"):
        context.queue(Engine.COMPUTE).submit(gpu.compute.packets.nop())


def test_a_context_knows_of_no_reset(gpu: Gpu) -> None:
    """QUERY_STATE2 of a context that nothing happened to."""
    assert gpu.context.reset_flags() == 0
