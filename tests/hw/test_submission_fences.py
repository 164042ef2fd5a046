# SPDX-License-Identifier: MIT
"""What a submission waits for, and what waits for it: each of several, wherever in its list it stands."""

from __future__ import annotations

import errno
from contextlib import ExitStack

import pytest

from amdgpu_hw.evidence.module_parameters import known_parameter
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.debug_vm import require_unlisted_buffers
from amdgpu_hw.proof.fixtures import RunningJob, ShutFence, ShutGate, ShutGateElsewhere
from amdgpu_hw.proof.held import require_pending
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import SCHED_JOBS, Submission
from amdgpu_hw.sync import Syncobj
from amdgpu_hw.uapi import amdgpu_drm, dma_buf

TILE = 64 * KiB
ANYWHERE = pytest.mark.parametrize("at", [0, 1, 2], ids=["first", "second", "last"])


@pytest.mark.parametrize("point", [0, 5], ids=["syncobj", "point"])
@ANYWHERE
@behaviour("O52", "a submission waits for each fence that it names", control="O52c")
def test_submission_waits_for_each_fence(gpu: Gpu, shut_fence: ShutFence, must: Must, at: int, point: int) -> None:
    """Two of three have signalled; which is pending must not matter."""
    with shut_fence() as pending:
        fences: list[Syncobj | tuple[Syncobj, int]] = []
        for index in range(3):
            syncobj = gpu.syncobj(signaled=True)
            if index == at and not point:
                syncobj = pending.syncobj
            elif index == at:
                syncobj.transfer_from(pending.syncobj, point=point)
            elif point:
                syncobj.signal(point)
            fences.append((syncobj, point) if point else syncobj)
        must.did(f"submitted a job that waits for three fences, of which number {at} is pending")
        job = gpu.compute.submit(gpu.compute.packets.nop(), wait=fences)
        must.not_signal(job, while_pending=pending)
    must.signal(job, after=pending)


@ANYWHERE
@behaviour("O52", "a submission waits for each submission that it names", control="O52c")
def test_submission_waits_for_each_submission(gpu: Gpu, shut_gate: ShutGate, must: Must, at: int) -> None:
    """Of other queues of its context; two of three are done."""
    compute, sdma = gpu.compute, gpu.sdma
    done = [sdma.submit(sdma.packets.nop()) for _ in range(2)]
    for job in done:
        job.wait()
    with shut_gate(compute) as held:
        must.did(f"submitted a job that depends on three others, of which number {at} is in flight")
        later = sdma.submit(sdma.packets.nop(), after=[*done[:at], held.submission, *done[at:]])
        must.not_signal(later, while_pending=held)
    must.signal(later, after=held)


@behaviour(
    "O52",
    "a submission waits for the end of a submission that it names, although that has started",
    control="O52c",
    rule="A dependency is on the finished fence, except in the chunk for scheduled ones (amdgpu_cs_p2_dependencies).",
    faults=True,
)
def test_submission_waits_for_the_end(gpu: Gpu, running_job: RunningJob, must: Must) -> None:
    """The other job is on its ring, and nothing but this keeps the later one off its own."""
    with running_job(gpu.compute) as running:
        (job,) = gpu.compute.pending()
        later = gpu.sdma.submit(gpu.sdma.packets.nop(), after=[job])
        must.not_signal(later, while_pending=running)
    must.signal(later, after=running)


@behaviour("O52c", "a submission that names no pending fence waits for none", control="O52")
def test_submission_waits_for_nothing_else(gpu: Gpu, shut_gate: ShutGate, must: Must) -> None:
    """Another queue's job is in flight, of the same context and address space, and lists the same buffer."""
    buffer, sdma = gpu.alloc(TILE), gpu.sdma
    with shut_gate(gpu.compute, buffers=[buffer]) as held:
        job = sdma.submit(sdma.packets.nop(), buffers=[buffer], wait=[gpu.syncobj(signaled=True)])
        must.signal(job, within=ms(500), while_pending=held)


@pytest.mark.parametrize("point", [0, 5], ids=["syncobj", "point"])
@behaviour("O53", "everything that a submission signals has its fence", control="O52c")
def test_everything_that_is_signalled_has_the_fence(gpu: Gpu, shut_fence: ShutFence, must: Must, point: int) -> None:
    """None before the job is done, all of them then."""
    out = [gpu.syncobj() for _ in range(3)]
    with shut_fence() as pending:
        job = gpu.compute.submit(
            gpu.compute.packets.nop(), wait=[pending.syncobj], signal=[(syncobj, point) for syncobj in out]
        )
        must.did("submitted a job that signals three syncobjs and waits for a pending fence")
        there = [syncobj.has_fence(point) for syncobj in out]
        must.equal(there, [True] * 3, "whether each of the three syncobjs has the fence:", kind="fence")
        must.equal(
            [syncobj.signaled(point) for syncobj in out],
            [False] * 3,
            "whether each has signalled while it waits:",
            kind="fence",
        )
        must.not_signal(job, at_most=ms(15), while_pending=pending)
    must.signal(job, after=pending)
    must.equal(
        [syncobj.signaled(point) for syncobj in out],
        [True] * 3,
        "whether each has signalled when the job is done:",
        kind="fence",
    )


@pytest.mark.parametrize("sort", ["vram", "gtt", "explicit"])
@behaviour(
    "O105",
    "each buffer that a submission lists is written to until the submission is done",
    control="O52c",
    rule="The fence of the gang leader is a writer's on every reservation object that was locked (amdgpu_cs_submit).",
)
def test_each_buffer_of_a_submission_has_its_fence(gpu: Gpu, shut_gate: ShutGate, must: Must, sort: str) -> None:
    """Who only wants to read asks for the writers alone (DMA_BUF_SYNC_READ), as a compositor does."""
    domain = "gtt" if sort == "gtt" else "vram"
    buffers = [gpu.alloc(TILE, domain, explicit_sync=sort == "explicit") for _ in range(3)]
    with ExitStack() as files:
        with shut_gate(gpu.compute, buffers=buffers) as job:
            fences = [files.enter_context(each.export_sync_file(dma_buf.DMA_BUF_SYNC_READ)) for each in buffers]
            signalled = [fence.signaled() for fence in fences]
            require_pending(job)
            must.did("EXPORT_SYNC_FILE of each of its three buffers, for who reads")
            must.equal(signalled, [False] * 3, f"whether each has signalled with {job.words} in flight:", kind="fence")
        must.signal(job.submission, after=job)
        done = [fence.wait(ms(2000)) for fence in fences]
        must.equal(done, [True] * 3, "whether each has signalled when the job is done:", kind="fence")


@pytest.mark.parametrize("engine", [Engine.COMPUTE, Engine.SDMA], ids=["compute", "SDMA"])
@pytest.mark.parametrize(
    "priority", [amdgpu_drm.AMDGPU_CTX_PRIORITY_VERY_LOW, amdgpu_drm.AMDGPU_CTX_PRIORITY_LOW], ids=["very low", "low"]
)
@behaviour(
    "O106",
    "a context of each priority that everybody may have runs its jobs, and unmaps wait for them",
    needs="update_fence",
)
def test_contexts_of_low_priority(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, priority: int, engine: Engine
) -> None:
    """To whom a fence belongs does not depend on how urgent it is."""
    with gpu.new_context(priority) as context:
        queue = context.queue(engine)
        tile = gpu.reserve(TILE)
        tile.map(always_valid)
        with shut_gate(queue) as job:
            update = tile.clear()
            must.not_signal(update, while_pending=job)
        must.signal(job.submission, after=job)
        must.signal(update, after=job)


@pytest.mark.parametrize("at", [0, 1], ids=["first", "last"])
@behaviour(
    "O51",
    "a submission waits for a job of another address space on a buffer that both list",
    control="O51c",
    rule="Implicit synchronisation between clients: the fence's owner is another address space "
    "(AMDGPU_SYNC_NE_OWNER of amdgpu_sync_test_fence).",
)
def test_submission_waits_for_another_address_space(
    gpu: Gpu, shut_gate_elsewhere: ShutGateElsewhere, must: Must, ordinary: Buffer, at: int
) -> None:
    """What a compositor relies on with clients that know no explicit fences."""
    buffers = [gpu.alloc(TILE), gpu.alloc(TILE)]
    buffers[at] = ordinary
    with shut_gate_elsewhere(ordinary) as job:
        must.did(f"submitted a job that lists two buffers, number {at} of which the other job lists as well")
        later = gpu.compute.submit(gpu.compute.packets.nop(), buffers=buffers)
        must.not_signal(later, while_pending=job)
    must.signal(later, after=job)


@pytest.mark.parametrize("shares", [False, True], ids=["another buffer", "explicit buffer"])
@behaviour("O51c", "a submission does not wait for a job of another address space otherwise", control="O51")
def test_submission_does_not_wait_for_another_address_space_otherwise(
    gpu: Gpu, shut_gate_elsewhere: ShutGateElsewhere, must: Must, shares: bool
) -> None:
    """It lists another buffer, or one that its maker synchronises (AMDGPU_GEM_CREATE_EXPLICIT_SYNC)."""
    shared = gpu.alloc(TILE, explicit_sync=shares)
    with shut_gate_elsewhere(shared) as job:
        listed = shared if shares else gpu.alloc(TILE)
        later = gpu.compute.submit(gpu.compute.packets.nop(), buffers=[listed])
        must.signal(later, within=ms(500), while_pending=job)


@behaviour(
    "O81",
    "a buffer that a submission writes its number to is busy until the job is done",
    rule="The GPU writes there when the job ends, whatever else the submission lists (amdgpu_cs_parser_bos).",
)
def test_a_user_fence_keeps_its_buffer_busy(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """A user fence (AMDGPU_CHUNK_ID_FENCE): the submission lists no other buffer."""
    page = gpu.alloc(PAGE_SIZE)
    page.fill(0xFFFFFFFF)
    with shut_fence() as pending:
        job = gpu.compute.submit(gpu.compute.packets.nop(), user_fence=page, wait=[pending.syncobj])
        must.did(f"submitted {job} with a user fence in a BO, which waits for a pending fence")
        idle = page.wait_idle()
        must.not_signal(job, at_most=ms(15), while_pending=pending)
        must.be(
            not idle,
            seen="the BO of its user fence was busy",
            otherwise=f"the BO of its user fence was idle with {job} pending, at the end of which the GPU writes there",
            kind="fence",
        )
        must.equal(page.read_u32(), 0xFFFFFFFF, "the user fence was")
    must.signal(job, after=pending)
    must.be(page.wait_idle(ms(2000)), seen="then it was idle", otherwise="the BO of its user fence is never idle")
    must.equal([page.read_u32(), page.read_u32(4)], [job.fence_seq, 0], "and the user fence, of 64 bits,")


@behaviour(
    "O86",
    "of as many submissions as a queue takes the oldest is told as pending until it is done",
    rule="A context keeps the fences of its last amdgpu_sched_jobs submissions (amdgpu_ctx_get_fence).",
)
def test_the_oldest_of_many_submissions_is_known(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """One more, and the kernel would wait for the oldest (amdgpu_ctx_wait_prev_fence)."""
    queue = gpu.new_context().queue(Engine.COMPUTE)
    nop, count = queue.packets.nop(), known_parameter("sched_jobs") or SCHED_JOBS
    with shut_fence() as pending:
        oldest = queue.submit(nop, wait=[pending.syncobj])
        for _ in range(count - 1):
            newest = queue.submit(nop, may_block=True)
        must.did(f"{count} submissions to {queue}, of which the first waits for a pending fence")
        must.not_signal(oldest, at_most=ms(5), while_pending=pending)
        with oldest.out_syncobj as syncobj:
            must.equal(syncobj.signaled(), False, "whether the fence of the oldest has signalled:", kind="fence")
        later = gpu.sdma.submit(gpu.sdma.packets.nop())
        must.signal(later, while_pending=pending)
        must.not_signal(newest, at_most=ms(5), while_pending=pending)
    for job in (oldest, newest):
        must.signal(job, after=pending)


@behaviour(
    "O87",
    "a scheduled dependency is one on a submission that has not gone to its ring",
    control="O52c",
    rule="Until then nothing is known of what it waits for (AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES).",
)
def test_a_scheduled_dependency_waits_for_what_is_queued(gpu: Gpu, shut_gate: ShutGate, must: Must) -> None:
    """The other one is held back before it goes there."""
    with shut_gate(gpu.compute) as held:
        must.did(f"submitted a job of {gpu.sdma} behind {held.words}, with a scheduled dependency")
        later = gpu.sdma.submit(gpu.sdma.packets.nop(), after_start=[held.submission])
        must.not_signal(later, at_most=ms(20), while_pending=held)
    must.signal(later, after=held)


@behaviour(
    "O87",
    "a scheduled dependency is none on a submission that runs",
    control="O52",
    rule="That it has gone to its ring is all that is waited for: two jobs may wait for each other's memory.",
    faults=True,
)
def test_a_scheduled_dependency_does_not_wait_for_what_runs(gpu: Gpu, running_job: RunningJob, must: Must) -> None:
    """The other one polls memory, which this one does not list."""
    require_unlisted_buffers()
    with running_job(gpu.compute) as held:
        running = gpu.compute.pending()[-1]
        must.did(f"submitted a job of {gpu.sdma} with a scheduled dependency on {held.words}")
        must.signal(gpu.sdma.submit(gpu.sdma.packets.nop(), after_start=[running]), while_pending=held)


@behaviour(
    "O53",
    "a submission that is refused leaves the fences alone of what it was to signal",
    needs="timeline_syncobj",
    rule="They are put there when nothing can fail any more (amdgpu_cs_post_dependencies).",
)
def test_a_refused_submission_leaves_what_it_was_to_signal(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """What is wrong with it stands behind that: a dependency on a submission that never was."""
    queue, unknown = gpu.compute, Submission(gpu.sdma, 1 << 40)
    with shut_fence() as pending, gpu.syncobj() as binary, gpu.syncobj() as timeline:
        binary.transfer_from(pending.syncobj)
        timeline.signal(3)
        with must.refuse(errno.EINVAL, "CS that signals two syncobjs, and depends on a submission that never was"):
            queue.submit(queue.packets.nop(), signal=[binary, (timeline, 7)], after=[unknown])
        must.equal(binary.has_fence(), True, "whether the binary one has its fence:", kind="fence")
        must.equal(timeline.query(last_submitted=True), 3, "the timeline's last point is", kind="fence")
        pending.open()
        must.be(
            binary.wait(ms(2000)),
            seen="which signals",
            otherwise="the binary one never signals",
            kind="fence",
        )
