# SPDX-License-Identifier: MIT
"""Submissions of several jobs that start together: a gang, whose leader has the fence that all others wait for."""

from __future__ import annotations

import time

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.packets import Sdma
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence, ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.queues import require_gangs
from amdgpu_hw.submit import Queue

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


def write(queue: Queue, va: int) -> list[int]:
    """The IB that writes a dword."""
    packets = queue.packets
    if not isinstance(packets, Sdma):
        raise TypeError(f"{queue} is no copy engine")
    return list(packets.write(va, [WRITTEN]))
