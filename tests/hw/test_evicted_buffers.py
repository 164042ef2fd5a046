# SPDX-License-Identifier: MIT
"""Buffers whose memory was taken away: whoever uses them next finds all of it, wherever it is then."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.eviction import Eviction
from amdgpu_hw.proof.fixtures import drain
from amdgpu_hw.proof.must import Must

TILE = 64 * KiB
DATA = 0x0E71C7ED


@pytest.mark.parametrize("always_valid", [True, False], ids=["always-valid", "listed"])
@behaviour(
    "O57",
    "buffers that were evicted are there for the next submission, with what was written meanwhile",
    rule="It brings back what is always valid and what it lists (amdgpu_vm_validate, amdgpu_cs_list_validate), and has "
    "the mappings of what has moved written again (amdgpu_vm_bo_invalidate, amdgpu_vm_handle_moved).",
    faults=True,
)
def test_evicted_buffers_are_there_again(gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: bool) -> None:
    """Twice, as they come back to where they were; the second time one is mapped once more while it is away."""
    eviction = Eviction(gpu)
    buffers = [gpu.alloc(TILE, "vram", always_valid=always_valid) for _ in range(3)]
    tiles, again = gpu.reserve(3 * TILE), gpu.reserve(TILE)
    for at, buffer in enumerate(buffers):
        buffer.fill(DATA + at)
        tiles.part(at * TILE, TILE).map(buffer)
    addresses = [tiles.va + at * TILE for at in range(3)]
    listed = [] if always_valid else buffers
    must.equal(gpu_view.sample(addresses, listed), [DATA, DATA + 1, DATA + 2], "before, the GPU read")
    for turn in (1, 2):
        drain(gpu)
        eviction.evict_vram()
        for at, buffer in enumerate(buffers):
            buffer.fill(DATA + 16 * turn + at)
        must.did("evicted VRAM, and had the CPU write to three BOs")
        expected = [DATA + 16 * turn + at for at in range(3)]
        if turn == 2:
            again.map(buffers[2])
            addresses, expected = [*addresses, again.va], [*expected, expected[2]]
        must.equal(gpu_view.sample(addresses, listed), expected, "through their mappings the next submission read")
