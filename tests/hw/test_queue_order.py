# SPDX-License-Identifier: MIT
"""What the queues of a context promise about their own submissions."""

from __future__ import annotations

import time
from contextlib import ExitStack

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm.cs import AmdgpuContextHandle
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.packets import Sdma
from amdgpu_hw.proof.asleep import comes_to_sleep
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import RunningJob, ShutFence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import Inconclusive
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import BackgroundCall
from amdgpu_hw.uapi import amdgpu_drm as uapi

ALL_JOBS = 32  # unfinished ones of an entity, with which its next submission sleeps (amdgpu_ctx_wait_prev_fence)
WRITTEN = 0x600DDA7A
IB_DWORDS = 64
"""Enough for every engine's alignment."""
QUEUES = 8
"""More than an engine has rings, so that several share one."""


@behaviour(
    "O70",
    "a submission begins only when the one before it in its queue is done",
    rule="A context's queue stays on its ring until its last job has finished (drm_sched_entity_select_rq), and a ring "
    "executes in order: WAIT_CS and update fences rely on that.",
    faults=True,
)
def test_a_queue_executes_in_order(gpu: Gpu, running_job: RunningJob, must: Must) -> None:
    """Compute has several rings to choose from, of which the others are idle."""
    with running_job(gpu.compute) as job:
        later = gpu.compute.submit(gpu.compute.packets.nop())
        must.not_signal(later, while_pending=job)
    must.signal(later, after=job)


@behaviour(
    "O71",
    "a submission may list a buffer twice",
    rule="Drivers collect what their command buffers use, and the same buffer may be in several "
    "(DRM_EXEC_IGNORE_DUPLICATES in amdgpu_cs_parser_bos).",
)
def test_a_buffer_may_be_listed_twice(gpu: Gpu, must: Must, ordinary: Buffer) -> None:
    """It is not locked a second time, and the queue goes on."""
    queue = gpu.new_context().queue(gpu.compute.engine)
    must.accept(
        "a submission that lists a BO twice",
        lambda: queue.submit(queue.packets.nop(), buffers=[ordinary, ordinary]),
    )
    must.signal(queue.submit(queue.packets.nop()))


@behaviour(
    "O74",
    "a context that is freed has its submissions executed all the same",
    rule="FREE_CTX flushes its queues, for a second, and only then takes what is left away (amdgpu_ctx_do_release).",
)
def test_a_freed_context_has_its_work_done(gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer) -> None:
    """One of its own, made without the suite's Context: that refuses to be freed with work pending."""
    job, _ = ibs(gpu, always_valid)
    context = AmdgpuContextHandle(gpu.sdma.context.device, uapi.AMDGPU_CTX_PRIORITY_NORMAL)
    with shut_fence() as pending:
        wait = uapi.CS_CHUNK_SEM.pack(handle=pending.syncobj.handle)
        context.submit([(uapi.AMDGPU_CHUNK_ID_IB, job), (uapi.AMDGPU_CHUNK_ID_SYNCOBJ_IN, wait)], [])
        call = BackgroundCall(context.free)
        returned = call.wait(ms(50))
        must.did("submitted a job that waits for a pending fence and writes a dword, then FREE_CTX of its context")
        must.note(f"FREE_CTX {'returned at once' if returned else 'waits'}")
        must.equal(always_valid.read_u32(), 0, "with the fence pending the CPU read", kind="note")
    call.result()
    must.be(
        is_written(always_valid),
        seen="the dword was there afterwards",
        otherwise="2 s after its fence signalled the job has written nothing: FREE_CTX took it away",
    )


@behaviour(
    "O74",
    "a submission that sleeps is executed although its context is freed meanwhile",
    rule="It has a reference of the context's, and gives that back as FREE_CTX does (amdgpu_cs_parser_fini).",
    stalls=True,
)
def test_a_freed_context_has_what_sleeps_done(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """Behind 32 unfinished jobs of its queue."""
    job, nop = ibs(gpu, always_valid)
    context = AmdgpuContextHandle(gpu.sdma.context.device, uapi.AMDGPU_CTX_PRIORITY_NORMAL)
    with shut_fence() as pending:
        wait = uapi.CS_CHUNK_SEM.pack(handle=pending.syncobj.handle)
        for _ in range(ALL_JOBS):
            context.submit([(uapi.AMDGPU_CHUNK_ID_IB, nop), (uapi.AMDGPU_CHUNK_ID_SYNCOBJ_IN, wait)], [])
        sleeping = BackgroundCall(lambda: context.submit([(uapi.AMDGPU_CHUNK_ID_IB, job)], []))
        if not comes_to_sleep(sleeping):
            raise Inconclusive(f"a submission behind {ALL_JOBS} unfinished jobs of its queue does not sleep")
        call = BackgroundCall(context.free)
        must.did(f"FREE_CTX while a submission that writes a dword sleeps behind {ALL_JOBS} jobs")
        must.note(f"FREE_CTX {'returned at once' if call.wait(ms(50)) else 'waits'}")
    sleeping.result()
    call.result()
    must.be(
        is_written(always_valid),
        seen="the dword was there afterwards",
        otherwise="2 s after it came back the submission has written nothing: it went with its context",
    )


@behaviour(
    "O76",
    "a queue whose job can start does so, whatever other queues of its ring still wait for",
    control="O52",
    rule="Each fence wakes the ring's worker, which goes on until no queue is ready (drm_sched_run_job_work).",
)
def test_a_queue_does_not_wait_for_others_of_its_ring(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """Half of them wait for two fences, half for the first of these: they are all looked at when that signals.

    Of the copy engine: a gate may keep a ring of the others busy.
    """
    queues = [gpu.new_context().queue(gpu.sdma.engine) for _ in range(2 * QUEUES)]
    nop = gpu.sdma.packets.nop()
    with ExitStack() as gates:
        second = gates.enter_context(shut_fence())
        with shut_fence() as first:
            both = [queue.submit(nop, wait=[first.syncobj, second.syncobj]) for queue in queues[:QUEUES]]
            ready = [queue.submit(nop, wait=[first.syncobj]) for queue in queues[QUEUES:]]
            must.did(f"{QUEUES} queues wait for two fences, {QUEUES} others for the first of them, which signals")
        for job in ready:
            must.signal(job, within=ms(500), while_pending=second)
    for job in both:
        must.signal(job, after=second)


def ibs(gpu: Gpu, target: Buffer) -> tuple[bytes, bytes]:
    """The chunks of two jobs of the copy engine: one writes a dword to the BO, which has 0 there, one does nothing."""
    packets = gpu.sdma.packets
    if not isinstance(packets, Sdma):
        raise TypeError(f"{gpu.sdma} is no copy engine")
    target.fill(0)
    tile, memory, place = gpu.reserve(target.size), gpu.alloc(PAGE_SIZE, always_valid=True), gpu.reserve(PAGE_SIZE)
    tile.map(target)
    place.map(memory)
    chunks = []
    for at, ib in enumerate((packets.write(tile.va, [WRITTEN]), packets.nop())):
        dwords, offset = packets.pad(ib, IB_DWORDS), 4 * IB_DWORDS * at
        memory.write(offset, b"".join(dword.to_bytes(4, "little") for dword in dwords))
        chunk = uapi.CS_CHUNK_IB.pack(va_start=place.va + offset, ib_bytes=4 * len(dwords), ip_type=gpu.sdma.engine)
        chunks.append(chunk)
    return chunks[0], chunks[1]


def is_written(target: Buffer) -> bool:
    """Whether the dword is there within two seconds."""
    end = time.monotonic() + 2
    while target.read_u32() != WRITTEN and time.monotonic() < end:
        time.sleep(0.001)
    return target.read_u32() == WRITTEN
