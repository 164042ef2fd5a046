# SPDX-License-Identifier: MIT
"""Where explicit sync ends: memory that could be freed under the GPU, and the operation that asked for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
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
        pytest.param(lambda tile, buffer: tile.replace_prt(explicit_sync=True), id="REPLACE by PRT"),
        pytest.param(lambda tile, buffer: tile.clear(explicit_sync=True), id="CLEAR"),
        pytest.param(lambda tile, buffer: tile.unmap(buffer, explicit_sync=True), id="UNMAP"),
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
    gpu: Gpu, shut_gate: ShutGate, must: Must, ordinary: Buffer, take_away: Callable[..., Update]
) -> None:
    """A process must not reach freed memory by lying about what its jobs still use."""
    tile = gpu.reserve(TILE)
    tile.map(ordinary)
    with shut_gate(gpu.compute) as job:
        update = take_away(tile, ordinary)
        must.not_signal(update, for_=ms(100), while_pending=job)
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
        must.not_signal(update, for_=ms(100), while_pending=job)
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
        must.not_signal(update, for_=ms(100), while_pending=job)
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
        must.not_signal(update, for_=ms(100), while_pending=job)
    must.signal(update, after=job)
