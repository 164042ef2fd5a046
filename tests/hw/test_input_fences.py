# SPDX-License-Identifier: MIT
"""Input fences of GEM_VA: an update takes effect after them, whichever way the kernel waits.

Before the series the ioctl itself blocks until they have signalled, uninterruptibly; with it the ioctl returns and the
page-table jobs wait. Every such call therefore runs in a thread of its own here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import Mapping, Range
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence, ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import BackgroundCall

TILE = 64 * KiB
FENCES = ("input_fence", "update_fence")
SERIES = ("explicit_sync", *FENCES)
ASYNCHRONOUS = "With the series the page-table jobs wait for input fences, not the caller (patch 1)."


@behaviour("B23", "a REPLACE takes effect only after its input fence", needs=FENCES)
def test_replace_takes_effect_after_its_input_fence(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """Sparse binding that follows a semaphore: memory must not move before the work that the semaphore stands for."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: tile.replace_prt(inputs=[fence.syncobj]))
        must.did("REPLACE by PRT with a pending input fence")
        must.not_signal(call, while_pending=fence)
    must.signal(call, after=fence)


@behaviour(
    "B23a", "GEM_VA does not make the caller wait for input fences", control="B23", needs=SERIES, rule=ASYNCHRONOUS
)
def test_caller_does_not_wait_for_input_fences(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """A thread that queues bindings must be free to go on; the semaphore may come from another process."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: tile.replace_prt(inputs=[fence.syncobj]))
        must.come_back(call, within=ms(500), while_pending=fence)
        must.not_signal(call, while_pending=fence)
    must.signal(call, after=fence)


@behaviour(
    "B24",
    "an explicit REPLACE waits for its input fence and for nothing else",
    control="B05",
    needs=SERIES,
    rule="Explicit means: the fences that are given, and only those.",
)
def test_explicit_replace_waits_for_its_input_fence_alone(
    gpu: Gpu, shut_gate: ShutGate, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """Two gates: J is in flight all the time, the input fence goes first."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job, shut_fence() as fence:
        call = BackgroundCall(lambda: tile.replace_prt(explicit_sync=True, inputs=[fence.syncobj]))
        must.not_signal(call, while_pending=fence)
        fence.open()
        must.signal(call, within=ms(500), while_pending=job)


@pytest.mark.parametrize(
    "map_into",
    [
        pytest.param(lambda tile, valid, ordinary, **sync: tile.map(valid, **sync), id="always-valid BO"),
        pytest.param(lambda tile, valid, ordinary, **sync: tile.map(ordinary, **sync), id="ordinary BO"),
        pytest.param(lambda tile, valid, ordinary, **sync: tile.map_prt(**sync), id="PRT"),
    ],
)
@behaviour("B25", "a MAP takes effect only after its input fence", control="B16", needs=FENCES)
def test_map_takes_effect_after_its_input_fence(
    gpu: Gpu,
    shut_fence: ShutFence,
    must: Must,
    always_valid: Buffer,
    ordinary: Buffer,
    map_into: Callable[..., Mapping],
) -> None:
    """Not only what takes something away: the order of binds is the application's."""
    tile = gpu.reserve(TILE)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: map_into(tile, always_valid, ordinary, inputs=[fence.syncobj]))
        must.did("MAP with a pending input fence")
        must.not_signal(call, while_pending=fence)
    must.signal(call, after=fence)


both_orders = pytest.mark.parametrize("last_opens_first", [False, True], ids=["in order", "in the other order"])


@both_orders
@behaviour("B27", "an update takes effect after the last of two input fences", control="B23", needs=FENCES)
def test_update_waits_for_all_its_input_fences(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, last_opens_first: bool
) -> None:
    """Two semaphores of two timelines, whichever comes first."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_fence() as one, shut_fence() as two:
        first, last = (two, one) if last_opens_first else (one, two)
        call = BackgroundCall(lambda: tile.replace_prt(inputs=[one.syncobj, two.syncobj]))
        must.did("REPLACE by PRT with two pending input fences")
        must.not_signal(call, at_most=ms(50), while_pending=first)
        first.open()
        must.not_signal(call, while_pending=last)
    must.signal(call, after=last)


@both_orders
@behaviour(
    "B27",
    "an update takes effect after all points of a timeline that is its input",
    control="B23",
    needs=(*FENCES, "timeline_syncobj"),
)
def test_update_waits_for_all_points_of_an_input_timeline(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, last_opens_first: bool
) -> None:
    """The input is the fence of the last point, and that stands for all before it (dma_fence_chain)."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_fence() as one, shut_fence() as two, gpu.syncobj() as timeline:
        timeline.transfer_from(one.syncobj, point=1)
        timeline.transfer_from(two.syncobj, point=2)
        first, last = (two, one) if last_opens_first else (one, two)
        call = BackgroundCall(lambda: tile.replace_prt(inputs=[timeline]))
        must.did("REPLACE by PRT with a timeline of two pending points as input")
        must.not_signal(call, at_most=ms(50), while_pending=first)
        first.open()
        must.not_signal(call, while_pending=last)
    must.signal(call, after=last)


what_is_bound = pytest.mark.parametrize(
    "bind",
    [
        pytest.param(lambda tiles, buffer, **sync: tiles.part(0, TILE).replace_prt(**sync), id="REPLACE by PRT"),
        pytest.param(
            lambda tiles, buffer, **sync: tiles.part(TILE, TILE).replace(buffer, **sync),
            id="REPLACE of PRT by an always-valid BO",
        ),
    ],
)


def memory_and_prt(gpu: Gpu, buffer: Buffer) -> Range:
    """Two tiles: an always-valid buffer, and PRT."""
    tiles = gpu.reserve(2 * TILE)
    tiles.part(0, TILE).map(buffer)
    tiles.part(TILE, TILE).map_prt()
    return tiles


@what_is_bound
@behaviour(
    "B26",
    "a submission after an update waits for the input fence of that",
    control="B23",
    needs=SERIES,
    rule="A submission waits for the page tables that it uses (amdgpu_cs_vm_handling), and those for the input fence.",
)
def test_submission_waits_for_the_input_fence_of_an_update(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, bind: Callable[..., Mapping]
) -> None:
    """What is drawn after a bind sees it, although the caller of the bind was not made to wait."""
    tiles = memory_and_prt(gpu, always_valid)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: bind(tiles, always_valid, inputs=[fence.syncobj]))
        must.come_back(call, while_pending=fence)
        later = queue.submit(queue.packets.nop())
        must.not_signal(later, while_pending=fence)
    must.signal(later, after=fence)


@what_is_bound
@behaviour(
    "B26",
    "a submission after an explicit update waits for the input fence of that, not for work in flight",
    control="B21",
    needs=SERIES,
    rule="A submission waits for the page tables that it uses (amdgpu_cs_vm_handling), and those for the input fence.",
)
def test_submission_waits_for_the_input_fence_of_an_explicit_update_alone(
    gpu: Gpu,
    shut_gate: ShutGate,
    shut_fence: ShutFence,
    must: Must,
    always_valid: Buffer,
    bind: Callable[..., Mapping],
) -> None:
    """The frame after a bind starts when the bind's semaphore comes, although older frames are still queued."""
    tiles = memory_and_prt(gpu, always_valid)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with shut_gate(gpu.compute) as job, shut_fence() as fence:
        call = BackgroundCall(lambda: bind(tiles, always_valid, explicit_sync=True, inputs=[fence.syncobj]))
        must.come_back(call, while_pending=fence)
        later = queue.submit(queue.packets.nop())
        must.not_signal(later, while_pending=fence)
        fence.open()
        must.signal(later, within=ms(500), while_pending=job)


@pytest.mark.parametrize("listed", [True, False], ids=["lists it", "does not list it"])
@behaviour(
    "O6",
    "only a submission that lists an ordinary BO waits for the input fence of its MAP",
    control=("B25", "B26"),
    needs=SERIES,
    rule="The fence of such a MAP is kept with the BO's attachment (bo_va->last_pt_update), not with the whole VM.",
)
def test_submission_waits_for_the_map_of_a_buffer_that_it_lists(
    gpu: Gpu, shut_fence: ShutFence, must: Must, ordinary: Buffer, always_valid: Buffer, listed: bool
) -> None:
    """The page table is there already, because of the neighbour: a new one would be the whole VM's affair."""
    tiles = gpu.reserve(2 * TILE, alignment=2 * TILE)
    tiles.part(0, TILE).map(always_valid)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: tiles.part(TILE, TILE).map(ordinary, inputs=[fence.syncobj]))
        must.come_back(call, while_pending=fence)
        later = queue.submit(queue.packets.nop(), buffers=[ordinary] if listed else [])
        if listed:
            must.not_signal(later, while_pending=fence)
        else:
            must.signal(later, within=ms(500), while_pending=fence)
    must.signal(later, after=fence)
    must.signal(call, after=fence)
