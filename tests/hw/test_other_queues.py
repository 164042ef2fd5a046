# SPDX-License-Identifier: MIT
"""Work in flight on other queues and contexts: what an update waits for is the address space's, whoever submitted it.

All contexts of an open file share one address space, and the fences of all their jobs sit in the reservation object of
its root page directory: that is where GEM_VA looks (amdgpu_sync_resv, KERNEL.md 4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from amdgpu_hw.address_space import Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.queues import graphics_ring
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import Queue

TILE = 64 * KiB
EXPLICIT = ("explicit_sync", "update_fence")
UPDATES = 32  # within the half second of a gpu-wait gate, on a machine with other work as well
ANY_JOB = "Any unfinished job of the address space counts, on whatever ring and of whatever context it is."


def last_compute_ring(gpu: Gpu) -> Queue:
    """The compute ring farthest from the one that the other tests use."""
    return gpu.context.queue(Engine.COMPUTE, gpu.capabilities.rings[Engine.COMPUTE].rings[-1])


on_every_queue = pytest.mark.parametrize(
    "choose",
    [
        pytest.param(graphics_ring, id="a job on gfx"),
        pytest.param(last_compute_ring, id="a job on the last compute ring"),
        pytest.param(lambda gpu: gpu.sdma, id="a job on sdma"),
        pytest.param(lambda gpu: gpu.new_context().queue(Engine.COMPUTE), id="a job of another context on compute"),
        pytest.param(lambda gpu: gpu.new_context().queue(Engine.SDMA), id="a job of another context on sdma"),
    ],
)


@on_every_queue
@behaviour(
    "B16",
    "MAP into an empty range does not wait for work in flight on any queue",
    needs="update_fence",
    finding="F9: with patch 1 alone a map waits for what the clearing before it would have waited for.",
)
def test_map_takes_effect_while_any_queue_is_busy(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, choose: Callable[[Gpu], Queue]
) -> None:
    """Page-table jobs run on SDMA rings that jobs of users run on too, and must not queue behind those."""
    tile, taken = gpu.reserve(TILE), gpu.reserve(TILE)
    taken.map(always_valid)
    with shut_gate(choose(gpu)) as job:
        must.signal(tile.map(always_valid), within=ms(500), while_pending=job)
        update = taken.replace_prt()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@on_every_queue
@behaviour(
    "B19",
    "explicit REPLACE does not wait for work in flight on any queue, plain REPLACE does",
    needs=EXPLICIT,
    rule=ANY_JOB,
)
def test_the_flag_works_whichever_queue_is_busy(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, choose: Callable[[Gpu], Queue]
) -> None:
    """Both under the same job, so that each is the other's control."""
    first, second = gpu.reserve(TILE), gpu.reserve(TILE)
    first.map(always_valid)
    second.map(always_valid)
    with shut_gate(choose(gpu)) as job:
        must.signal(first.replace_prt(explicit_sync=True), within=ms(500), while_pending=job)
        update = second.replace_prt()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@pytest.mark.parametrize("newer_ends_first", [False, True], ids=["older ends first", "newer ends first"])
@behaviour("B19c", "a plain REPLACE waits for the last of two jobs of two contexts", needs="update_fence", rule=ANY_JOB)
def test_plain_replace_waits_for_all_jobs(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, newer_ends_first: bool
) -> None:
    """Neither the first job nor the latest one stands for all."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    another = gpu.new_context().queue(Engine.SDMA)
    with shut_gate(gpu.compute) as older, shut_gate(another) as newer:
        first, last = (newer, older) if newer_ends_first else (older, newer)
        update = tile.replace_prt()
        first.open()
        must.signal(first.submission, after=first)
        must.not_signal(update, while_pending=last)
    must.signal(update, after=last)


@behaviour(
    "B06",
    "explicit REPLACE takes effect however many jobs are in flight, and however new they are",
    control="B05",
    needs=EXPLICIT,
    rule="With the flag it must not wait (amdgpu_vm_update_ctx_ensure_unmap_synced).",
)
def test_explicit_replace_takes_effect_however_new_the_work_is(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """A frame in flight is many jobs; before each update one more is submitted, on one queue after the other."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    contexts = [gpu.context, gpu.new_context()]
    queues = [context.queue(engine) for context in contexts for engine in (Engine.COMPUTE, Engine.SDMA)]
    with shut_gate(gpu.compute) as job:
        fence = job.gate.fence(gpu)

        def updates() -> Iterator[Update]:
            for number in range(UPDATES):
                queue = queues[number % len(queues)]
                queue.submit(queue.packets.nop(), wait=[fence])
                yield (
                    tile.replace(always_valid, explicit_sync=True)
                    if number % 2
                    else tile.replace_prt(explicit_sync=True)
                )

        must.signal_each(updates(), f"{UPDATES} explicit REPLACE, one more job before each", while_pending=job)
