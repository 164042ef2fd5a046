# SPDX-License-Identifier: MIT
"""What submissions find of updates before them: of each, not only of the first or the last; on every ring."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.absence import Absence
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.debug_vm import require_updates_at_once
from amdgpu_hw.proof.fixtures import ShutFence, ShutGate, drain
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import BackgroundCall

TILE = 64 * KiB
DATA = 0x600DDA70


@behaviour(
    "O35",
    "an explicit update whose fence nobody asks for holds up no submission of another ring",
    control=("B08c", "B06"),
    needs=("explicit_sync", "page_table_jobs"),
    rule="An update fence tells of an update; it makes it no other.",
)
def test_explicit_update_without_a_fence(gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer) -> None:
    """A submission waits for the updates before it, so that one that ends tells that they have."""
    require_updates_at_once()
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    drain(gpu)
    with shut_gate(gpu.compute) as job:
        tile.replace_prt(explicit_sync=True, out=None)
        must.did("explicit REPLACE by PRT without an update fence, then a submission to SDMA")
        must.signal(gpu.sdma.submit(gpu.sdma.packets.nop()), within=ms(500), while_pending=job)


@behaviour(
    "O36",
    "what is left of a cut mapping can be read and written as before",
    control="B38",
    rule="Remnants have the flags of the mapping that was cut (amdgpu_vm_bo_clear_mappings).",
)
def test_remnants_can_be_written(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """On both sides, of a mapping of a part of a BO."""
    buffer = gpu.alloc(2 * TILE, always_valid=True)
    tile = gpu.reserve(TILE)
    tile.map(buffer, TILE)
    drain(gpu)
    tile.part(4 * PAGE_SIZE, PAGE_SIZE).clear()
    must.did("CLEAR of a page in the middle, then writes to both remnants")
    offsets = [0, 3 * PAGE_SIZE, 5 * PAGE_SIZE, TILE - PAGE_SIZE]
    gpu_view.write_each({tile.va + offset: DATA + at for at, offset in enumerate(offsets)})
    found = [buffer.read_u32(TILE + offset) for offset in offsets]
    must.equal(found, [DATA + at for at in range(len(offsets))], "in the BO the CPU read")


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "in the middle", "last"])
@pytest.mark.parametrize("engine", [Engine.COMPUTE, Engine.SDMA])
@behaviour(
    "O37",
    "a submission to any ring waits for the mapping of every BO that it lists",
    control="O6",
    needs=("explicit_sync", "update_fence", "input_fence"),
    rule="It goes through the whole list (amdgpu_cs_vm_handling), and SDMA reads through page tables as all others do.",
)
def test_submission_waits_for_each_listed_buffer(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, engine: Engine, place: int
) -> None:
    """O6 has one BO on one ring; the page table is there already, because of the neighbour."""
    tiles = gpu.reserve(4 * TILE, alignment=4 * TILE)
    tiles.part(0, TILE).map(always_valid)
    buffers = [gpu.alloc(TILE) for _ in range(3)]
    for at, buffer in enumerate(buffers):
        if at != place:
            tiles.part((at + 1) * TILE, TILE).map(buffer)
    drain(gpu)
    queue = gpu.new_context().queue(engine)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: tiles.part((place + 1) * TILE, TILE).map(buffers[place], inputs=[fence.syncobj]))
        must.come_back(call, while_pending=fence)
        must.did("MAP of an ordinary BO with a pending input fence, then a submission that lists it and two others")
        later = queue.submit(queue.packets.nop(), buffers=buffers)
        must.not_signal(later, at_most=ms(15), while_pending=fence)
    must.signal(later, after=fence)


@pytest.mark.parametrize("after", ["a submission", "an update", "an update with an input fence"])
@behaviour(
    "O38",
    "of several delayed updates each has taken effect after the next submission or update, and its submission",
    rule="They are put off together and carried out together (amdgpu_cs_vm_handling, amdgpu_gem_va_update_vm).",
    faults=True,
)
def test_each_of_several_delayed_updates(gpu: Gpu, must: Must, gpu_view: GpuView, after: str) -> None:
    """Three BOs that are mapped, and three that are unmapped."""
    absence = Absence(gpu, gpu_view)
    old, new = ([gpu.alloc(PAGE_SIZE, always_valid=True) for _ in range(3)] for _ in range(2))
    there, gone = (gpu.reserve(3 * TILE) for _ in range(2))
    for at in range(3):
        new[at].fill(DATA + at)
        gone.part(at * TILE, PAGE_SIZE).map(old[at])
    gpu_view.sample([gone.va])
    # Done before: a submission would carry the delayed ones out.
    done = gpu.syncobj()
    must.signal(gpu.compute.submit(gpu.compute.packets.nop(), signal=[done]))
    for at in range(3):
        there.part(at * TILE, PAGE_SIZE).map(new[at], delay=True)
        gone.part(at * TILE, PAGE_SIZE).unmap(old[at], delay=True)
    must.did(f"three delayed MAPs and three delayed UNMAPs, then {after}")
    if after == "an update":
        gpu.reserve(PAGE_SIZE).map_prt()
    elif after != "a submission":
        gpu.reserve(PAGE_SIZE).map_prt(inputs=[done])
    read = gpu_view.sample([there.va + at * TILE for at in range(3)])
    must.equal(read, [DATA, DATA + 1, DATA + 2], "from the new mappings the GPU read")
    left = [at for at in range(3) if not absence.is_absent(gone.va + at * TILE)]
    must.be(not left, seen="the GPU faulted at the old ones", otherwise=f"of the old ones {left} still have entries")
