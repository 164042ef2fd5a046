# SPDX-License-Identifier: MIT
"""What RADV does with sparse resources: sequences that applications meet, where other files take one operation each.

It reserves with MAP of PRT, binds with REPLACE, unbinds with REPLACE by PRT, and destroys with CLEAR. Which of its
patterns are rows of other files is in docs/rows.md.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import Range, SyncOptions, Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB, MiB
from amdgpu_hw.proof.absence import Absence
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate, drain
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms

TILE = 64 * KiB
EXPLICIT = ("explicit_sync", "update_fence")
DATA = 0x600DDA7A

BEHIND: dict[str, Callable[[Gpu, Range, Buffer, Buffer], Update]] = {
    "MAP of a new BO": lambda gpu, _tile, _always_valid, new: gpu.reserve(TILE).map(new),
    "MAP of PRT": lambda gpu, _tile, _always_valid, _new: gpu.reserve(TILE).map_prt(),
    "explicit bind": lambda _gpu, tile, always_valid, _new: tile.replace(always_valid, explicit_sync=True),
    "explicit unbind": lambda _gpu, tile, _always_valid, _new: tile.replace_prt(explicit_sync=True),
}


@pytest.mark.parametrize("low", [False, True], ids=["upper half", "lower half"])
@pytest.mark.parametrize("update", BEHIND)
@behaviour(
    "O30",
    "behind the unbind of an ordinary BO every later update waits with it, explicit ones and new allocations too",
    control=("B16", "B06"),
    needs=EXPLICIT,
    rule=(
        "Only always-valid BOs and PRT go under the GPU; the updates of one address space are carried out in order "
        "(amdgpu_vm_init: vm->delayed). So RADV gains by the flag where its BOs are always valid, and only there."
    ),
)
def test_unbind_of_an_ordinary_buffer_holds_up_what_follows(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, ordinary: Buffer, update: str, low: bool
) -> None:
    """The bind was explicit and did not wait; the unbind has the flag as well."""
    sparse, tile = gpu.reserve(TILE, low=low), gpu.reserve(TILE)
    sparse.map_prt()
    tile.map_prt()
    new = gpu.alloc(TILE)
    with shut_gate(gpu.compute) as job:
        must.did("explicit REPLACE of PRT by an ordinary BO")
        must.signal(sparse.replace(ordinary, explicit_sync=True), within=ms(500), while_pending=job)
        unbind = sparse.replace_prt(explicit_sync=True)
        must.did(f"explicit REPLACE of that by PRT, then {update}")
        behind = BEHIND[update](gpu, tile, always_valid, new)
        must.not_signal(behind, at_most=ms(15), while_pending=job)
        must.not_signal(unbind, at_most=ms(1), while_pending=job)
    must.signal(behind, after=job)


@pytest.mark.parametrize("domain", ["gtt", "vram", "vram|gtt"])
@behaviour(
    "O31",
    "explicit updates of some of many mappings of one always-valid BO take effect while work is in flight",
    control="B08c",
    needs=EXPLICIT,
    rule="Whether memory can be freed is a matter of the BO, not of how many mappings it has, of what, and how large.",
)
def test_explicit_updates_of_one_of_many_mappings(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, domain: str
) -> None:
    """As of the zero page that unbound tiles may show: whole, in parts, and a bind over more than 2 MiB."""
    zero = gpu.alloc(TILE, domain, always_valid=True)
    large = gpu.alloc(4 * MiB, domain, always_valid=True)
    zero.fill(DATA)
    tiles = gpu.reserve(16 * TILE)
    for at in range(16):
        tiles.part(at * TILE, TILE if at % 2 else TILE // 2).map(zero, 0 if at % 2 else TILE // 2)
    window = gpu.reserve(4 * MiB, 2 * MiB)
    window.map_prt()
    drain(gpu)
    gpu_view.sample([tiles.va])
    with shut_gate(gpu.compute) as job:
        must.did("explicit REPLACE by PRT of 7 of 16 mappings of one BO, one of them in part")
        must.signal(tiles.part(TILE, 7 * TILE).replace_prt(explicit_sync=True), within=ms(500), while_pending=job)
        must.did("explicit UNMAP of one that shows a part of the BO")
        must.signal(tiles.part(10 * TILE, TILE // 2).unmap(zero, explicit_sync=True), within=ms(500), while_pending=job)
        must.did("explicit bind and unbind of 4 MiB")
        must.signal(window.replace(large, explicit_sync=True), within=ms(500), while_pending=job)
        must.signal(window.replace_prt(explicit_sync=True), within=ms(500), while_pending=job)
    must.equal(gpu_view.sample([tiles.va, tiles.va + 9 * TILE]), [DATA, DATA], "from mappings that stay the GPU read")


@pytest.mark.parametrize("always_valid", [True, False], ids=["always valid", "ordinary"])
@behaviour(
    "O32",
    "GEM_CLOSE takes away all mappings of a BO that are left, and nothing else",
    control="B39",
    needs="update_fence",
    rule="They go to the list of what was freed, each of them (amdgpu_vm_bo_del).",
    faults=True,
)
def test_close_takes_away_all_mappings(gpu: Gpu, must: Must, gpu_view: GpuView, *, always_valid: bool) -> None:
    """A BO that is mapped twice side by side with a page between, as RADV pads; the first mapping has gone before."""
    absence = Absence(gpu, gpu_view)
    buffer, kept = gpu.alloc(TILE, always_valid=always_valid), gpu.alloc(PAGE_SIZE, always_valid=True)
    kept.fill(DATA)
    whole = gpu.reserve(4 * TILE)
    places = [whole.part(at, size) for at, size in ((0, TILE), (TILE, PAGE_SIZE), (2 * TILE, TILE), (3 * TILE, TILE))]
    for place in places:
        place.map(buffer)
    beside = whole.part(TILE + PAGE_SIZE, PAGE_SIZE)
    beside.map(kept)
    gpu_view.sample([place.va for place in places], [] if always_valid else [buffer])
    places[0].unmap(buffer)
    buffer.close()
    must.did("UNMAP of the first of four mappings, then GEM_CLOSE")
    drain(gpu)
    left = [at for at, place in enumerate(places) if not absence.is_absent(place.va)]
    must.be(not left, seen="the GPU faulted at all of them", otherwise=f"mappings {left} still have entries")
    must.equal(gpu_view.sample([beside.va]), [DATA], "from what is mapped between the GPU read")


@behaviour(
    "O33",
    "after the update fence of a bind every ring sees the data where it has just read PRT",
    needs=("prt", "update_fence"),
    rule="The fence comes behind the flush of the TLB (amdgpu_vm_tlb_flush), which all rings of a hub share.",
)
def test_bind_is_seen_where_prt_was_read(gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: Buffer) -> None:
    """Nothing but the fence is between the read of PRT and that of the data, again and again, on the same pages."""
    gpu_view.require_prt_access()
    always_valid.fill(DATA)
    pages = gpu.reserve(TILE)
    pages.map_prt()
    addresses = [pages.va + at for at in range(0, TILE, PAGE_SIZE)]
    for _ in range(4):
        must.equal(set(gpu_view.sample(addresses)), {0}, "from PRT the GPU read")
        must.signal(pages.replace(always_valid))
        must.equal(set(gpu_view.sample(addresses)), {DATA}, "after the fence of the bind it read")
        must.signal(pages.replace_prt())


@behaviour(
    "O34",
    "of a burst of thousands of small unbinds each takes effect, and nothing beside them",
    needs="prt",
    rule="How many updates are queued makes none of them be lost (amdgpu_ib_get waits where there is no room).",
)
def test_burst_of_small_unbinds(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """As when a resource is created, of which every tile shows nothing; every second page, so that all is cut."""
    count = 2048
    buffer = gpu.alloc(count * PAGE_SIZE, always_valid=True)
    buffer.fill(DATA)
    whole = gpu.reserve(count * PAGE_SIZE)
    whole.map(buffer)
    drain(gpu)
    quiet: SyncOptions = {"explicit_sync": bool(gpu.capabilities.explicit_sync), "out": None}
    for at in range(0, count, 2):
        whole.part(at * PAGE_SIZE, PAGE_SIZE).replace_prt(**quiet)
    must.did(f"{count // 2} REPLACEs of single pages by PRT")
    drain(gpu)
    kept = [whole.va + at * PAGE_SIZE for at in range(1, count, 2)]
    must.equal(set(gpu_view.sample(kept)), {DATA}, "from all pages between them the GPU read")
    if gpu.identity.sdma_version >= (4, 0, 0):
        gone = [whole.va + at * PAGE_SIZE for at in range(0, count, 2)]
        must.equal(set(gpu_view.sample(gone)), {0}, "and from the pages themselves")
