# SPDX-License-Identifier: MIT
"""Input fences of updates that have no page-table work of their own, or leave it to others.

With the series input fences are dependencies of page-table jobs. Where there is no job, somebody else has to keep what
was promised: nobody who waits for the update may go on before its input fences have signalled (F4 in docs/findings.md).
"""

from __future__ import annotations

import pytest

from amdgpu_hw.address_space import SyncOptions
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.held import require_pending
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import Submission
from amdgpu_hw.sync import BackgroundCall

TILE = 64 * KiB
DATA = 0x600DDA7A
FENCES = ("input_fence", "update_fence")
RULE = "Who waits for the update fence must be able to rely on the input fence too, as on every kernel before."
F4 = (
    "F4: input fences are only dependencies of page-table jobs, so without a job they are dropped (patch 1, "
    "amdgpu_gem_add_input_fence)."
)


@behaviour(
    "B30",
    "the update fence of a CLEAR of an empty range still covers its input fence",
    control="B23",
    needs=FENCES,
    rule=RULE,
    finding=F4,
)
def test_clear_of_nothing_still_waits_for_its_input_fence(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """It has nothing to do, but it has been told what to wait for."""
    empty = gpu.reserve(TILE)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: empty.clear(inputs=[fence.syncobj]))
        must.did("CLEAR of an empty range with a pending input fence")
        must.not_signal(call, while_pending=fence)
    must.signal(call, after=fence)


@pytest.mark.parametrize("first", ["first", "last"])
@behaviour(
    "B30",
    "the update fence of a CLEAR of an empty range covers all its input fences",
    control="B23",
    needs=FENCES,
    rule=RULE,
    finding=F4,
)
def test_clear_of_nothing_still_waits_for_all_its_input_fences(
    gpu: Gpu, shut_fence: ShutFence, must: Must, first: str
) -> None:
    """One fence that stands for both has signalled when they have, not when one has."""
    empty = gpu.reserve(TILE)
    with shut_fence() as late:
        with shut_fence() as early:
            inputs = [early.syncobj, late.syncobj] if first == "first" else [late.syncobj, early.syncobj]
            call = BackgroundCall(lambda: empty.clear(inputs=inputs))
            must.did(f"CLEAR of an empty range with two pending input fences, of which the {first} signals early")
            must.not_signal(call, while_pending=early)
        must.not_signal(call, while_pending=late)
    must.signal(call, after=late)


@behaviour(
    "B30",
    "the update fence of an UNMAP of what was never written still covers its input fence",
    control="B23",
    needs=FENCES,
    rule=RULE,
    finding=F4,
)
def test_unmap_of_the_unwritten_still_waits_for_its_input_fence(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """A delayed MAP is only in the mapping tree; taking it away again is no page-table work."""
    tile = gpu.reserve(TILE)
    with shut_fence() as fence:
        tile.map(always_valid, delay=True)
        call = BackgroundCall(lambda: tile.unmap(always_valid, inputs=[fence.syncobj]))
        must.did("delayed MAP, then UNMAP of it with a pending input fence")
        must.not_signal(call, while_pending=fence)
    must.signal(call, after=fence)


@behaviour(
    "B30",
    "the update fence of a CLEAR of an empty range covers its input fence, whatever else it carries out",
    control="B23",
    needs=FENCES,
    rule=RULE,
    finding=F4,
)
def test_clear_of_nothing_that_carries_out_another_waits_for_its_input_fence(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """The page-table job of a delayed UNMAP, which it does on the way, is not its own."""
    tile, empty = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(always_valid).wait()
    with shut_fence() as fence:
        tile.unmap(always_valid, delay=True)
        call = BackgroundCall(lambda: empty.clear(inputs=[fence.syncobj]))
        must.did("delayed UNMAP, then CLEAR of an empty range with a pending input fence")
        must.not_signal(call, while_pending=fence)
    must.signal(call, after=fence)


@behaviour(
    "B31",
    "a submission that carries out a delayed REPLACE waits for the input fence of that",
    control="B23",
    needs=FENCES,
    rule="The submission sees the new mapping, which must not be there before the input fence.",
    finding=F4,
)
def test_submission_waits_for_the_input_fence_of_a_delayed_replace(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """A thread binds, then draws: before the series the first blocks, with it the second has to wait."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    queue = gpu.new_context().queue(Engine.COMPUTE)

    def bind_and_draw() -> Submission:
        tile.replace_prt(delay=True, inputs=[fence.syncobj])
        return queue.submit(queue.packets.nop())

    with shut_fence() as fence:
        call = BackgroundCall(bind_and_draw)
        must.did("delayed REPLACE by PRT with a pending input fence, then a submission")
        must.not_signal(call, while_pending=fence)
    must.signal(call, after=fence)


@behaviour(
    "B31",
    "what a delayed REPLACE with a pending input fence takes away stays for submissions meanwhile",
    control="B23",
    needs=FENCES,
    rule="The taking away waits for the input fence like the mapping, which no submission asks for here.",
    finding=F4,
    faults=True,
)
def test_what_a_delayed_replace_takes_away_stays(
    gpu: Gpu, shut_fence: ShutFence, must: Must, gpu_view: GpuView, always_valid: Buffer, ordinary: Buffer
) -> None:
    """The ordinary BO is not listed, so that of the REPLACE submissions only do the taking away."""
    tile = gpu.reserve(TILE)
    always_valid.fill(DATA)
    tile.map(always_valid)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: tile.replace(ordinary, delay=True, inputs=[fence.syncobj]))
        call.wait(ms(20))
        gpu.compute.submit(gpu.compute.packets.nop()).wait()
        must.did("delayed REPLACE by an ordinary BO with a pending input fence, a submission, another that reads there")
        read = gpu_view.sample([tile.va])
        require_pending(fence)
        must.equal(read, [DATA], "there, with the input fence pending, the GPU read")
    call.result()


@pytest.mark.parametrize("new", ["PRT", "always-valid BO"])
@behaviour(
    "B31",
    "a submission that carries out a delayed MAP waits for the input fence of that",
    control="B23",
    needs=FENCES,
    rule="The submission sees the new mapping, which must not be there before the input fence.",
    finding=F4,
)
def test_submission_waits_for_the_input_fence_of_a_delayed_map(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, new: str
) -> None:
    """Nothing is taken away there, whose removal would wait for the fence as well."""
    tile = gpu.reserve(TILE)
    queue = gpu.new_context().queue(Engine.COMPUTE)

    def bind_and_draw() -> Submission:
        if new == "PRT":
            tile.map_prt(delay=True, inputs=[fence.syncobj])
        else:
            tile.map(always_valid, delay=True, inputs=[fence.syncobj])
        return queue.submit(queue.packets.nop())

    with shut_fence() as fence:
        call = BackgroundCall(bind_and_draw)
        must.did(f"delayed MAP of an {new} with a pending input fence, then a submission".replace("an PRT", "PRT"))
        must.not_signal(call, while_pending=fence)
    must.signal(call, after=fence)


@pytest.mark.parametrize("pending", ["first", "second"])
@pytest.mark.parametrize("new", ["PRT", "always-valid BO", "listed BO"])
@behaviour(
    "B31",
    "a submission that carries out two delayed MAPs waits for the input fences of both",
    control="B23",
    needs=FENCES,
    rule="Each of the new mappings must not be there before its own input fence.",
    finding=F4,
)
def test_submission_waits_for_the_input_fences_of_two_delayed_maps(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, ordinary: Buffer, new: str, pending: str
) -> None:
    """Of one buffer, whose second update must not stand in for the first, nor the first for the second."""
    buffer = {"PRT": None, "always-valid BO": always_valid, "listed BO": ordinary}[new]
    tiles = gpu.reserve(2 * TILE)
    queue = gpu.new_context().queue(Engine.COMPUTE)

    def bind_and_draw() -> Submission:
        for index, fence in enumerate((one, two)):
            tile = tiles.part(index * TILE, TILE)
            if buffer is None:
                tile.map_prt(delay=True, inputs=[fence.syncobj])
            else:
                tile.map(buffer, delay=True, inputs=[fence.syncobj])
        return queue.submit(queue.packets.nop(), buffers=[ordinary] if new == "listed BO" else [])

    with shut_fence() as one, shut_fence() as two:
        first, last = (two, one) if pending == "first" else (one, two)
        call = BackgroundCall(bind_and_draw)
        must.did(f"two delayed MAPs, {new}, with a pending input fence each, then a submission")
        must.not_signal(call, at_most=ms(20), while_pending=first)
        first.open()
        must.not_signal(call, while_pending=last)
    must.signal(call, after=last)


@pytest.mark.parametrize("operation", ["UNMAP", "CLEAR"])
@behaviour(
    "B31",
    "what a delayed update takes away stays until its input fence, whatever submission carries the update out",
    control="B23",
    needs=("explicit_sync", *FENCES),
    rule="A submission does not wait for what it clears (amdgpu_cs_vm_handling), but that waits for its input fences.",
    finding=F4,
    faults=True,
)
def test_what_a_delayed_unmap_takes_stays_until_its_input_fence(
    gpu: Gpu, shut_fence: ShutFence, must: Must, gpu_view: GpuView, always_valid: Buffer, operation: str
) -> None:
    """Nothing is mapped there, whose update would wait for the fence as well."""
    always_valid.fill(DATA)
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with shut_fence() as fence:
        sync: SyncOptions = {"delay": True, "inputs": [fence.syncobj]}
        if operation == "CLEAR":
            tile.clear(**sync)
        else:
            tile.unmap(always_valid, **sync)
        must.did(f"delayed {operation} with a pending input fence, a submission, and another that reads")
        must.signal(queue.submit(queue.packets.nop()), while_pending=fence)
        read = gpu_view.sample([tile.va])
        require_pending(fence)
        must.equal(read, [DATA], f"with {fence.words} pending the GPU read there")


@pytest.mark.parametrize("always", [True, False], ids=["always-valid BO", "ordinary BO"])
@behaviour(
    "O99",
    "an UNMAP does not carry out a delayed MAP elsewhere of its BO, and waits for nothing that this waits for",
    control="B23",
    needs=("explicit_sync", *FENCES),
    rule="Only MAP and REPLACE write what is new of their BO (amdgpu_gem_va_update_vm). Carried out too early it would "
    "hold up all updates behind it until its input fence.",
)
def test_unmap_leaves_delayed_maps_alone(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, ordinary: Buffer, always: bool
) -> None:
    """Nor does the MAP of another BO that comes next."""
    buffer = always_valid if always else ordinary
    tiles, other = gpu.reserve(2 * TILE), gpu.reserve(TILE)
    first = tiles.part(0, TILE)
    first.map(buffer)
    with shut_fence() as fence:
        tiles.part(TILE, TILE).map(buffer, delay=True, inputs=[fence.syncobj])
        must.did("delayed MAP with a pending input fence, then UNMAP of another mapping of its BO")
        must.signal(first.unmap(buffer), within=ms(500), while_pending=fence)
        must.signal(other.map_prt(), within=ms(500), while_pending=fence)
