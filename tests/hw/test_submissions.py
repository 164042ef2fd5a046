# SPDX-License-Identifier: MIT
"""What submissions see of updates: those that come later wait for them, those in flight are left alone."""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from functools import partial

from amdgpu_hw.errors import DrmError
from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import Ib, Queue
from amdgpu_hw.uapi.amdgpu_info import AMDGPU_INFO_MAX_IBS

TILE = 64 * KiB
EXPLICIT = ("explicit_sync", "update_fence")


def another_queue(gpu: Gpu) -> Queue:
    """A queue of another context: nothing orders it after J but the address space."""
    return gpu.new_context().queue(Engine.COMPUTE)


@behaviour("B21", "a submission after a plain REPLACE waits with it for work in flight", needs="update_fence")
def test_submission_waits_for_a_plain_replace(gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer) -> None:
    """The stall that the series is about, seen from the next frame: J2 needs the page tables, those wait for J."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    queue = another_queue(gpu)
    with shut_gate(gpu.compute) as job:
        update = tile.replace_prt()
        must.not_signal(update, at_most=ms(20), while_pending=job)
        later = queue.submit(queue.packets.nop())
        must.not_signal(later, while_pending=job)
    must.signal(later, after=job)


@behaviour(
    "B20",
    "a submission after an explicit REPLACE completes while earlier work is in flight",
    control="B21",
    needs=EXPLICIT,
    rule="A submission waits for vm->last_update, which no longer waits for J.",
)
def test_submission_after_an_explicit_replace_overtakes_work_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """What a game feels: the frame after a sparse unbind starts although older work is still queued."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    queue = another_queue(gpu)
    with shut_gate(gpu.compute) as job:
        must.signal(tile.replace_prt(explicit_sync=True), within=ms(500), while_pending=job)
        must.signal(queue.submit(queue.packets.nop()), within=ms(500), while_pending=job)


@behaviour(
    "B22",
    "work in flight is undisturbed by an explicit REPLACE beside what it uses",
    control="B21",
    needs=EXPLICIT,
    rule="The flag moves the update before the job, not the job's own pages away.",
)
def test_work_in_flight_is_undisturbed_by_an_explicit_replace(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer
) -> None:
    """J reads a tile; its neighbour goes while J is held; then J reads the right data and nothing faults."""
    pattern = bytes(range(256)) * (TILE // 256)
    kept = gpu.alloc(TILE, always_valid=True)
    kept.write(0, pattern)
    tiles = gpu.reserve(2 * TILE)
    tiles.part(0, TILE).map(kept)
    going = tiles.part(TILE, TILE)
    going.map(always_valid)
    gpu_view.forget()
    with shut_gate(gpu_view.queue, gpu_view.copy_ib(tiles.va, TILE)) as job:
        must.signal(going.replace_prt(explicit_sync=True), within=ms(500), while_pending=job)
    must.did(f"opened the gate: {job.words} copies the tile beside it")
    must.be(
        gpu_view.landed(TILE) == pattern,
        seen="the job read the right data",
        otherwise=f"{job.words} read wrong data from {tiles.va:#_x}, which was not touched",
    )
    fault = vm_fault(gpu)
    must.be(fault is None, seen="no VM fault", otherwise=f"{job.words} raised a {fault}", kind="note")


@behaviour(
    "O82",
    "a submission may have as many IBs as the kernel says, and no more",
    rule="More do not fit into the ring (amdgpu_ring_max_ibs).",
)
def test_the_number_of_ibs_is_limited(gpu: Gpu, must: Must) -> None:
    """Asked for with MAX_IBS, for each engine of its own; each IB is a NOP."""
    try:
        limits = struct.unpack("<10I", gpu.query_info(AMDGPU_INFO_MAX_IBS, 40))
    except DrmError as error:
        raise NotTestable(f"the kernel does not say how many IBs there may be: {error}", missing="max_ibs") from None
    for queue in (gpu.compute, gpu.sdma):
        limit = limits[queue.engine]
        ibs = [Ib(queue.packets.nop())] * (limit + 1)
        must.accept(f"CS of {limit} IBs on {queue}", partial(execute, queue, ibs[:limit]))
        with must.refuse(errno.EINVAL, f"CS of {limit + 1} IBs on {queue}, one more than MAX_IBS says"):
            queue.submit(ibs)


def execute(queue: Queue, ibs: Sequence[Ib]) -> None:
    """Submit, and wait for the job: the memory of its IBs is needed again."""
    queue.submit(ibs).wait()
