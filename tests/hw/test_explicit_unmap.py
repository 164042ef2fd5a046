# SPDX-License-Identifier: MIT
"""Explicit unmaps of what holds no memory of its own: PRT, and buffers that belong to the address space.

J is a job of the same address space that a gate holds in flight. Without the flag an unmap waits for J, with it the
page tables change under J: that is the whole point of the series.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import Range, Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms

TILE = 64 * KiB
EXPLICIT = ("explicit_sync", "update_fence")
RULE = "With the flag it must not wait (amdgpu_vm_update_ctx_ensure_unmap_synced)."

Unmap = Callable[..., Update]

unmap_memory = pytest.mark.parametrize(
    "unmap",
    [
        pytest.param(lambda tile, buffer, **sync: tile.unmap(buffer, **sync), id="UNMAP"),
        pytest.param(lambda tile, buffer, **sync: tile.clear(**sync), id="CLEAR"),
    ],
)
unmap_prt = pytest.mark.parametrize(
    "unmap",
    [
        pytest.param(lambda tile, **sync: tile.unmap_prt(**sync), id="UNMAP"),
        pytest.param(lambda tile, **sync: tile.clear(**sync), id="CLEAR"),
    ],
)


@behaviour("B05", "REPLACE of an always-valid BO by PRT waits for work in flight", needs="update_fence")
def test_replace_of_memory_by_prt_waits_for_work_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """The kernel's rule since ever: no page is taken away under a job that may use it."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        update = tile.replace_prt()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "B06",
    "explicit REPLACE of an always-valid BO by PRT takes effect while work is in flight",
    control="B05",
    needs=EXPLICIT,
    rule=RULE,
)
def test_explicit_replace_of_memory_by_prt_takes_effect_while_work_is_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """How RADV takes memory out of a sparse resource: the next frame must not wait for all queued ones."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        update = tile.replace_prt(explicit_sync=True)
        must.signal(update, within=ms(500), while_pending=job)


@unmap_memory
@behaviour("B07c", "taking away an always-valid BO waits for work in flight", needs="update_fence")
def test_unmap_of_memory_waits_for_work_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, unmap: Unmap
) -> None:
    """B07's control."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        update = unmap(tile, always_valid)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@unmap_memory
@behaviour(
    "B07",
    "taking away an always-valid BO explicitly takes effect while work is in flight",
    control="B07c",
    needs=EXPLICIT,
    rule=RULE,
)
def test_explicit_unmap_of_memory_takes_effect_while_work_is_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, unmap: Unmap
) -> None:
    """The flag is no privilege of REPLACE: UNMAP and CLEAR fill the same list of freed mappings."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        update = unmap(tile, always_valid, explicit_sync=True)
        must.signal(update, within=ms(500), while_pending=job)


@behaviour("B08c", "REPLACE of PRT by an always-valid BO waits for work in flight", needs="update_fence")
def test_replace_of_prt_by_memory_waits_for_work_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """B08's control."""
    tile = gpu.reserve(TILE)
    tile.map_prt()
    with shut_gate(gpu.compute) as job:
        update = tile.replace(always_valid)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "B08",
    "explicit REPLACE of PRT by an always-valid BO takes effect while work is in flight",
    control="B08c",
    needs=EXPLICIT,
    rule=RULE,
)
def test_explicit_replace_of_prt_by_memory_takes_effect_while_work_is_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """Binding memory to a sparse resource: streaming must not wait for the frames that stream nothing."""
    tile = gpu.reserve(TILE)
    tile.map_prt()
    with shut_gate(gpu.compute) as job:
        update = tile.replace(always_valid, explicit_sync=True)
        must.signal(update, within=ms(500), while_pending=job)


@unmap_prt
@behaviour("B09c", "taking away PRT waits for work in flight", needs="update_fence")
def test_unmap_of_prt_waits_for_work_in_flight(gpu: Gpu, shut_gate: ShutGate, must: Must, unmap: Unmap) -> None:
    """B09's control. Without the flag the same unmap waits, and proceeds as soon as the job is done."""
    tiles = gpu.reserve(TILE)
    tiles.map_prt()
    with shut_gate(gpu.compute) as job:
        update = unmap(tiles)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@unmap_prt
@behaviour(
    "B09",
    "taking away PRT explicitly takes effect while work is in flight",
    control="B09c",
    needs=EXPLICIT,
    rule=RULE,
)
def test_explicit_unmap_of_prt_takes_effect_while_work_is_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, unmap: Unmap
) -> None:
    """Sparse binding must not stall rendering: the page tables change although a job of the same VM is pending."""
    tiles = gpu.reserve(TILE)
    tiles.map_prt()
    with shut_gate(gpu.compute) as job:
        update = unmap(tiles, explicit_sync=True)
        must.signal(update, within=ms(500), while_pending=job)


def memory_prt_and_a_hole(gpu: Gpu, buffer: Buffer) -> Range:
    """Three tiles: an always-valid buffer, PRT, and nothing."""
    tiles = gpu.reserve(3 * TILE)
    tiles.part(0, TILE).map(buffer)
    tiles.part(TILE, TILE).map_prt()
    return tiles


@behaviour("B12c", "CLEAR over always-valid BO, PRT and a hole waits for work in flight", needs="update_fence")
def test_clear_of_memory_prt_and_a_hole_waits_for_work_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """B12's control."""
    tiles = memory_prt_and_a_hole(gpu, always_valid)
    with shut_gate(gpu.compute) as job:
        update = tiles.clear()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "B12",
    "explicit CLEAR over always-valid BO, PRT and a hole takes effect while work is in flight",
    control="B12c",
    needs=EXPLICIT,
    rule=RULE,
)
def test_explicit_clear_of_memory_prt_and_a_hole_takes_effect_while_work_is_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """Destroying a partly bound sparse resource: everything in the range may go at once, so all of it goes at once."""
    tiles = memory_prt_and_a_hole(gpu, always_valid)
    with shut_gate(gpu.compute) as job:
        update = tiles.clear(explicit_sync=True)
        must.signal(update, within=ms(500), while_pending=job)
