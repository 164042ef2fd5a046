# SPDX-License-Identifier: MIT
"""Maps that take nothing away never wait for work in flight, with the flag or without."""

from __future__ import annotations

import pytest

from amdgpu_hw.address_space import Mapping, Range
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms

TILE = 64 * KiB

what_is_mapped = pytest.mark.parametrize("what", ["always-valid BO", "ordinary BO", "PRT"])


def map_into(tile: Range, what: str, always_valid: Buffer, ordinary: Buffer, explicit_sync: bool = False) -> Mapping:
    """MAP one of the three kinds; the flag is only sent where it is asked for."""
    if what == "PRT":
        return tile.map_prt(explicit_sync=explicit_sync)
    return tile.map(always_valid if what == "always-valid BO" else ordinary, explicit_sync=explicit_sync)


@what_is_mapped
@behaviour(
    "B16",
    "MAP into an empty range takes effect while work is in flight",
    control="B05",
    needs="update_fence",
    rule="Nothing was taken away, so there is nothing to wait for.",
    finding="F9: with patch 1 alone, amdgpu_vm_clear_freed leaves its fences in the context that the map uses too.",
)
def test_map_takes_effect_while_work_is_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, ordinary: Buffer, what: str
) -> None:
    """Growing must never stall; that it does not is also what shows that the gate holds only J."""
    tile = gpu.reserve(TILE)
    with shut_gate(gpu.compute) as job:
        must.signal(map_into(tile, what, always_valid, ordinary), within=ms(500), while_pending=job)


@behaviour(
    "B16",
    "MAP of a BO takes effect while a job is in flight that uses it at another address",
    control="B05",
    needs="update_fence",
    rule="Nothing was taken away: only other address spaces' work on the BO is none of its own (amdgpu_sync_resv).",
    finding="F9: with patch 1 alone, amdgpu_vm_clear_freed leaves its fences in the context that the map uses too.",
)
def test_map_of_what_a_job_uses_takes_effect(gpu: Gpu, shut_gate: ShutGate, must: Must, ordinary: Buffer) -> None:
    """The job lists it. A sparse texture's tile that is bound a second time."""
    tiles = gpu.reserve(2 * TILE)
    tiles.part(0, TILE).map(ordinary)
    with shut_gate(gpu.compute, buffers=[ordinary]) as job:
        must.signal(tiles.part(TILE, TILE).map(ordinary), within=ms(500), while_pending=job)


@what_is_mapped
@behaviour(
    "B17",
    "the flag changes nothing about a MAP",
    control="B05",
    needs=("explicit_sync", "update_fence"),
    rule="Nothing was taken away, so there is nothing to wait for.",
)
def test_explicit_map_takes_effect_while_work_is_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, ordinary: Buffer, what: str
) -> None:
    """A driver may set the flag on everything it does."""
    tile = gpu.reserve(TILE)
    with shut_gate(gpu.compute) as job:
        must.signal(map_into(tile, what, always_valid, ordinary, True), within=ms(500), while_pending=job)
