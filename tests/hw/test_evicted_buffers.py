# SPDX-License-Identifier: MIT
"""Buffers whose memory was taken away: whoever uses them next finds all of it, wherever it is then."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.debugfs_action import DebugfsAction
from amdgpu_hw.proof.fixtures import ShutGate, drain
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import BackgroundCall
from amdgpu_hw.uapi import amdgpu_drm as uapi

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
def test_evicted_buffers_are_there_again(
    gpu: Gpu, must: Must, gpu_view: GpuView, evict_vram: DebugfsAction, always_valid: bool
) -> None:
    """Twice, as they come back to where they were; the second time one is mapped once more while it is away."""
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
        evict_vram()
        for at, buffer in enumerate(buffers):
            buffer.fill(DATA + 16 * turn + at)
        must.did("evicted VRAM, and had the CPU write to three BOs")
        expected = [DATA + 16 * turn + at for at in range(3)]
        if turn == 2:
            again.map(buffers[2])
            addresses, expected = [*addresses, again.va], [*expected, expected[2]]
        must.equal(gpu_view.sample(addresses, listed), expected, "through their mappings the next submission read")


@pytest.mark.parametrize("discardable", [False, True], ids=["usual", "discardable"])
@behaviour(
    "O57",
    "a job in flight reads what is in a buffer that is evicted meanwhile",
    rule="The copy to system memory, or what gives the memory to others, comes after it (amdgpu_bo_move).",
    faults=True,
    stalls=True,
)
def test_a_job_reads_what_is_evicted(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, evict_vram: DebugfsAction, discardable: bool
) -> None:
    """Whatever becomes of it then: of a discardable one nothing is kept."""
    buffer = gpu.alloc(TILE, "vram", flags=uapi.AMDGPU_GEM_CREATE_DISCARDABLE if discardable else 0)
    buffer.fill(DATA)
    tile = gpu.reserve(TILE)
    tile.map(buffer)
    drain(gpu)
    gpu_view.forget()
    with shut_gate(gpu_view.queue, gpu_view.copy_ib(tile.va, TILE), buffers=[buffer]) as job:
        call = BackgroundCall(evict_vram)
        must.note(f"that {'came back at once' if call.wait(ms(20)) else 'waits'}")
        must.did(f"{job.words} copies from a BO; evicted VRAM")
    call.result(ms(9000))
    read = set(memoryview(gpu_view.landed(TILE)).cast("I"))
    must.equal(read, {DATA}, f"from the BO that was evicted meanwhile {job.words} read only")
