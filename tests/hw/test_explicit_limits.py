# SPDX-License-Identifier: MIT
"""Where explicit sync ends: memory that could be freed under the GPU, and the operation that asked for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import Mapping, Range, Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms

TILE = 64 * KiB
EXPLICIT = ("explicit_sync", "update_fence")
NEVER_FREE_UNDER_THE_GPU = (
    "An ordinary buffer's memory can be freed as soon as it is unmapped, so the kernel has to ignore the flag for it "
    "(amdgpu_vm_update_ctx_add_freed_mapping)."
)


@pytest.mark.parametrize(
    "take_away",
    [
        pytest.param(lambda tile, buffer, other: tile.replace_prt(explicit_sync=True), id="REPLACE by PRT"),
        pytest.param(
            lambda tile, buffer, other: tile.replace(other, explicit_sync=True), id="REPLACE by an always-valid BO"
        ),
        pytest.param(lambda tile, buffer, other: tile.clear(explicit_sync=True), id="CLEAR"),
        pytest.param(
            lambda tile, buffer, other: tile.part(0, PAGE_SIZE).clear(explicit_sync=True), id="CLEAR of one page"
        ),
        pytest.param(lambda tile, buffer, other: tile.unmap(buffer, explicit_sync=True), id="UNMAP"),
    ],
)
@behaviour(
    "B10",
    "taking away an ordinary BO explicitly still waits for work in flight",
    control=("B06", "B07"),
    needs=EXPLICIT,
    rule=NEVER_FREE_UNDER_THE_GPU,
)
def test_explicit_unmap_of_ordinary_memory_waits_for_work_in_flight(
    gpu: Gpu,
    shut_gate: ShutGate,
    must: Must,
    ordinary: Buffer,
    always_valid: Buffer,
    take_away: Callable[[Range, Buffer, Buffer], Update],
) -> None:
    """A process must not reach freed memory by lying about what its jobs still use."""
    tile = gpu.reserve(TILE)
    tile.map(ordinary)
    with shut_gate(gpu.compute) as job:
        update = take_away(tile, ordinary, always_valid)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@pytest.mark.parametrize(
    "map_memory",
    [
        pytest.param(lambda gpu, tile: tile.map(gpu.alloc(TILE, domain="vram")), id="in VRAM"),
        pytest.param(lambda gpu, tile: tile.map(gpu.alloc(TILE, explicit_sync=True)), id="created with EXPLICIT_SYNC"),
        pytest.param(lambda gpu, tile: tile.map(gpu.alloc(TILE), executable=True), id="mapped executable"),
    ],
)
@behaviour(
    "B10",
    "taking away an ordinary BO explicitly waits, wherever its memory is and whatever its flags are",
    control=("B06", "B07"),
    needs=EXPLICIT,
    rule=NEVER_FREE_UNDER_THE_GPU,
)
def test_explicit_unmap_waits_whatever_the_memory_is(
    gpu: Gpu, shut_gate: ShutGate, must: Must, map_memory: Callable[[Gpu, Range], Mapping]
) -> None:
    """EXPLICIT_SYNC of a buffer is about submissions; "executable" has the number of PRT among a page's own flags."""
    mapping = map_memory(gpu, gpu.reserve(TILE))
    with shut_gate(gpu.compute) as job:
        update = mapping.unmap(explicit_sync=True)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@pytest.mark.parametrize(
    ("ordinary_first", "ordinary_mapped_first"),
    [
        pytest.param(low, first, id=f"ordinary {'below' if low else 'above'}, mapped {'first' if first else 'last'}")
        for low, first in itertools.product((True, False), repeat=2)
    ],
)
@behaviour(
    "B11",
    "one ordinary BO in the range makes the whole explicit CLEAR wait",
    control="B12",
    needs=EXPLICIT,
    rule=NEVER_FREE_UNDER_THE_GPU,
)
def test_one_ordinary_buffer_makes_the_whole_clear_wait(
    gpu: Gpu,
    shut_gate: ShutGate,
    must: Must,
    always_valid: Buffer,
    ordinary: Buffer,
    ordinary_first: bool,
    ordinary_mapped_first: bool,
) -> None:
    """In both address orders and both mapping orders: neither the first nor the last freed mapping decides alone."""
    tiles = gpu.reserve(2 * TILE)
    parts = [(tiles.part(0, TILE), ordinary), (tiles.part(TILE, TILE), always_valid)]
    if not ordinary_first:
        parts = [(tiles.part(TILE, TILE), ordinary), (tiles.part(0, TILE), always_valid)]
    for tile, buffer in parts if ordinary_mapped_first else reversed(parts):
        tile.map(buffer)
    with shut_gate(gpu.compute) as job:
        update = tiles.clear(explicit_sync=True)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@pytest.mark.parametrize(
    "take_away",
    [
        pytest.param(lambda tiles: tiles.clear(explicit_sync=True), id="CLEAR"),
        pytest.param(lambda tiles: tiles.replace_prt(explicit_sync=True), id="REPLACE by PRT"),
    ],
)
@pytest.mark.parametrize(
    "layout",
    [
        pytest.param("v o v", id="between two always-valid BOs"),
        pytest.param("p o p", id="between two PRT mappings"),
        pytest.param("v p o", id="behind an always-valid BO and PRT"),
    ],
)
@behaviour(
    "B11",
    "one ordinary BO among others makes the whole explicit update wait",
    control=("B06", "B12"),
    needs=EXPLICIT,
    rule=NEVER_FREE_UNDER_THE_GPU,
)
def test_one_ordinary_buffer_among_others_makes_the_whole_update_wait(
    gpu: Gpu,
    shut_gate: ShutGate,
    must: Must,
    always_valid: Buffer,
    ordinary: Buffer,
    layout: str,
    take_away: Callable[[Range], Update],
) -> None:
    """All of them have to agree: not the first one, not the last one, not most."""
    kinds = layout.split()
    tiles = gpu.reserve(len(kinds) * TILE)
    for number, kind in enumerate(kinds):
        tile = tiles.part(number * TILE, TILE)
        if kind == "p":
            tile.map_prt()
        else:
            tile.map(ordinary if kind == "o" else always_valid)
    with shut_gate(gpu.compute) as job:
        update = take_away(tiles)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "B11",
    "the last page of an ordinary BO in the range makes the whole explicit CLEAR wait",
    control="B12",
    needs=EXPLICIT,
    rule=NEVER_FREE_UNDER_THE_GPU,
)
def test_one_page_of_an_ordinary_buffer_makes_the_whole_clear_wait(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, ordinary: Buffer
) -> None:
    """The rest of it stays: a mapping that is cut counts as one that goes."""
    tiles = gpu.reserve(2 * TILE)
    tiles.part(0, TILE).map(ordinary)
    tiles.part(TILE, TILE).map(always_valid)
    with shut_gate(gpu.compute) as job:
        update = tiles.part(TILE - PAGE_SIZE, PAGE_SIZE + TILE).clear(explicit_sync=True)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "B14",
    "after an explicit unmap, a plain unmap of an ordinary BO waits as ever",
    needs=EXPLICIT,
    rule="The flag belongs to one operation.",
)
def test_explicit_unmap_does_not_free_a_later_one_from_waiting(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, ordinary: Buffer
) -> None:
    """Each fence in a syncobj of its own: on one timeline the later point would wait for the earlier."""
    first, second = gpu.reserve(TILE), gpu.reserve(TILE)
    first.map(always_valid)
    second.map(ordinary)
    with shut_gate(gpu.compute) as job:
        must.signal(first.unmap(always_valid, explicit_sync=True), within=ms(500), while_pending=job)
        update = second.unmap(ordinary)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "B15",
    "after an explicit unmap, the same unmap without the flag waits",
    needs=EXPLICIT,
    rule="The flag belongs to one operation (struct amdgpu_vm_update_ctx lives as long as the ioctl).",
)
def test_flag_does_not_stick(gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer) -> None:
    """Both of the kind that the flag works on, so only the flag differs."""
    first, second = gpu.reserve(TILE), gpu.reserve(TILE)
    first.map(always_valid)
    second.map(always_valid)
    with shut_gate(gpu.compute) as job:
        must.signal(first.replace_prt(explicit_sync=True), within=ms(500), while_pending=job)
        update = second.replace_prt()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)
