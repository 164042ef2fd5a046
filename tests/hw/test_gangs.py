# SPDX-License-Identifier: MIT
"""Submissions of several jobs that start together: a gang, whose leader has the fence that all others wait for."""

from __future__ import annotations

import time

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.packets import Engine, Sdma
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.debug_vm import require_unlisted_buffers
from amdgpu_hw.proof.fixtures import RunningJob, ShutFence, ShutGate
from amdgpu_hw.proof.held import require_pending
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.queues import require_gangs
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import Queue, Submission

WRITTEN = 0x600DDA7A
_WRITTEN_S = 2.0


@behaviour(
    "O52",
    "what a submission waits for all of its jobs wait for, members of its gang too",
    control="O52c",
    rule="A gang starts together, and none of it before what the submission names (amdgpu_cs_sync_rings).",
)
def test_members_of_a_gang_wait_too(gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer) -> None:
    """The member writes where the CPU looks; the leader does nothing."""
    require_gangs(gpu)
    always_valid.fill(0)
    tile = gpu.reserve(PAGE_SIZE)
    tile.map(always_valid)
    with shut_fence() as pending:
        must.did(f"submitted a job of {gpu.compute} and one of {gpu.sdma}, a gang, that wait for a pending fence")
        job = gpu.compute.submit(
            gpu.compute.packets.nop(), gang=[(gpu.sdma, write(gpu.sdma, tile.va))], wait=[pending.syncobj]
        )
        must.not_signal(job, while_pending=pending)
        must.be(
            always_valid.read_u32() == 0,
            seen=f"the job of {gpu.sdma} had written nothing",
            otherwise=f"the job of {gpu.sdma}, a member of the gang, has written with {pending.words} pending: it did "
            "not wait for that",
        )
    must.signal(job, after=pending)
    # The leader's fence says that the members have started, not that they are done.
    end = time.monotonic() + _WRITTEN_S
    while always_valid.read_u32() != WRITTEN and time.monotonic() < end:
        time.sleep(0.001)
    must.equal(always_valid.read_u32(), WRITTEN, "then it wrote")


@behaviour(
    "O73",
    "the leader of a gang does not start before its members do",
    control="O52c",
    rule="The leader depends on the scheduled fences of all members (amdgpu_cs_submit).",
)
def test_the_leader_waits_for_its_members(gpu: Gpu, shut_gate: ShutGate, must: Must) -> None:
    """The member's queue has a job before it that is held back; nothing else does that to the leader."""
    require_gangs(gpu)
    with shut_gate(gpu.sdma) as held:
        must.did(f"submitted a job of {gpu.compute}, whose gang has a member on {gpu.sdma} behind {held.words}")
        job = gpu.compute.submit(gpu.compute.packets.nop(), gang=[(gpu.sdma, gpu.sdma.packets.nop())])
        must.not_signal(job, while_pending=held)
    must.signal(job, after=held)


@behaviour(
    "O52",
    "what a submission waits for each of several members of its gang waits for",
    control="O52c",
    rule="Every job of a gang gets all the dependencies (amdgpu_cs_sync_rings).",
)
def test_each_member_of_a_gang_waits(gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer) -> None:
    """The leader waits for the start of the members, so it hides nothing of a member that waits for nothing."""
    require_gangs(gpu)
    queues = two_members(gpu)
    always_valid.fill(0)
    tile = gpu.reserve(2 * PAGE_SIZE)
    tile.map(always_valid)
    gang = [(queue, write(queue, tile.va + at * PAGE_SIZE)) for at, queue in enumerate(queues)]
    with shut_fence() as pending:
        must.did(f"submitted a job of {gpu.compute} that waits for a pending fence, and a gang of {words(queues)}")
        job = gpu.compute.submit(gpu.compute.packets.nop(), gang=gang, wait=[pending.syncobj])
        must.not_signal(job, while_pending=pending)
        for at, queue in enumerate(queues):
            must.be(
                always_valid.read_u32(at * PAGE_SIZE) == 0,
                seen=f"the job of {queue} had written nothing",
                otherwise=f"the job of {queue}, member {at} of the gang, has written with {pending.words} pending",
            )
    must.signal(job, after=pending)


@behaviour(
    "O52",
    "the leader of a gang waits for the end of what it names, although a member has its queue behind that",
    control="O52c",
    rule="That the member has been handed to its ring says nothing of the job before it there: the scheduled and the "
    "finished fence of a queue are of two contexts (drm_sched_fence_init).",
    faults=True,
)
def test_the_leader_waits_for_the_end(gpu: Gpu, running_job: RunningJob, must: Must) -> None:
    """The member is on the ring of a job that goes on; the leader names that job."""
    require_gangs(gpu)
    member = gpu.compute
    with running_job(member) as running:
        (job,) = member.pending()
        must.did(f"submitted a job of {gpu.sdma} after {running.words} with a gang whose member is behind that")
        leader = gpu.sdma.submit(gpu.sdma.packets.nop(), gang=[(member, member.packets.nop())], after=[job])
        must.not_signal(leader, while_pending=running)
    must.signal(leader, after=running)


@pytest.mark.parametrize("at", [0, 1], ids=["first", "last"])
@behaviour(
    "O73",
    "the leader of a gang does not start before each of its members does",
    control="O52c",
    rule="The leader depends on the scheduled fences of all members (amdgpu_cs_submit).",
)
def test_the_leader_waits_for_each_member(gpu: Gpu, shut_gate: ShutGate, must: Must, at: int) -> None:
    """The queue of one of two members has a job before it that is held back."""
    require_gangs(gpu)
    queues = two_members(gpu)
    with shut_gate(queues[at]) as held:
        must.did(f"submitted a job of {gpu.compute} with a gang of {words(queues)}, of which {held.words} is held back")
        job = gpu.compute.submit(gpu.compute.packets.nop(), gang=[(queue, queue.packets.nop()) for queue in queues])
        must.not_signal(job, while_pending=held)
    must.signal(job, after=held)


@pytest.mark.parametrize("newer_ends_first", [False, True], ids=["older ends first", "newer ends first"])
@behaviour(
    "B19c",
    "a plain REPLACE waits for the last of two gangs of two contexts",
    needs="update_fence",
    rule="The fence of each leader is one of its own (drm_sched_job_arm): neither stands for the other.",
)
def test_plain_replace_waits_for_all_gangs(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, newer_ends_first: bool
) -> None:
    """Each waits for a fence of its own."""
    require_gangs(gpu)
    tile = gpu.reserve(PAGE_SIZE)
    tile.map(always_valid)
    with shut_fence() as older, shut_fence() as newer:
        for context, fence in ((gpu.context, older), (gpu.new_context(), newer)):
            leader, member = context.queue(Engine.COMPUTE), context.queue(Engine.SDMA)
            leader.submit(leader.packets.nop(), gang=[(member, member.packets.nop())], wait=[fence.syncobj])
        first, last = (newer, older) if newer_ends_first else (older, newer)
        must.did("submitted two gangs of two contexts, each of which waits for a pending fence")
        update = tile.replace_prt()
        first.open()
        must.not_signal(update, while_pending=last)
    must.signal(update, after=last)


@behaviour(
    "O55",
    "a sync file of a gang tells on which ring its leader is",
    rule="The leader's fence is that of its ring, as of each job by itself (drm_sched_job_arm, drm_sched_fence_init).",
)
def test_a_sync_file_of_a_gang_tells_the_ring(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """The same as of a job before it in its queue, which keeps that on one ring (drm_sched_entity_select_rq)."""
    require_gangs(gpu)
    nop = gpu.compute.packets.nop()
    with shut_fence() as pending:
        alone = gpu.compute.submit(nop, wait=[pending.syncobj])
        leader = gpu.compute.submit(nop, gang=[(gpu.sdma, gpu.sdma.packets.nop())])
        must.did(f"submitted a job of {gpu.compute} that waits for a pending fence, then one that leads a gang")
        must.equal(timelines(leader), timelines(alone), "the sync file of the gang names the timeline", kind="fence")


def timelines(job: Submission) -> str:
    """The names of the timelines in a sync file of the job."""
    with job.out_syncobj as syncobj, syncobj.export_sync_file() as file:
        return ", ".join(fence.timeline for fence in file.fences())


def two_members(gpu: Gpu) -> tuple[Queue, Queue]:
    """Two queues of the context besides `Gpu.compute`; not testable where there are none."""
    ring = gpu.capabilities.rings[Engine.COMPUTE].rings[-1]
    if gpu.compute.ring == ring:
        raise NotTestable(f"{gpu.identity.name} has one compute ring only", missing="compute_rings")
    return gpu.sdma, gpu.context.queue(Engine.COMPUTE, ring)


def words(queues: tuple[Queue, Queue]) -> str:
    """The members of a gang."""
    return " and ".join(map(str, queues))


def write(queue: Queue, va: int) -> list[int]:
    """The IB that writes a dword."""
    packets = queue.packets
    return list(packets.write(va, [WRITTEN]) if isinstance(packets, Sdma) else packets.write_data(va, [WRITTEN]))


@behaviour(
    "O76",
    "what a gang signals is signalled when its leader is done, not when a member is",
    needs="timeline_syncobj",
    rule="The syncobjs get the leader's fence (amdgpu_cs_post_dependencies).",
    faults=True,
)
def test_a_gang_signals_with_its_leader(gpu: Gpu, running_job: RunningJob, must: Must) -> None:
    """A syncobj and a point; the leader runs, and the other job, which comes first, is done."""
    require_gangs(gpu)
    require_unlisted_buffers()
    with gpu.syncobj() as binary, gpu.syncobj() as timeline:
        with running_job(gpu.compute, member=gpu.sdma, signal=[binary, (timeline, 1)]) as held:
            must.did("submitted a gang that signals a syncobj and a point, of which the leader runs on")
            gpu.sdma.submit(gpu.sdma.packets.nop()).wait()
            signalled = [binary.signaled(), timeline.signaled(1)]
            require_pending(held)
            must.equal(signalled, [False, False], "whether syncobj and point have signalled:", kind="fence")
        must.be(
            binary.wait(ms(2000)) and timeline.wait(ms(2000), point=1),
            seen="then they signal",
            otherwise="they never signal",
            kind="fence",
        )
