# SPDX-License-Identifier: MIT
"""GEM_CLOSE under work in flight: it returns at once, and the memory stays until nobody can reach it any more."""

from __future__ import annotations

import time

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB, MiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate, drain
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms, size
from amdgpu_hw.proof.usage import vram_usage
from amdgpu_hw.sync import BackgroundCall

TILE = 64 * KiB
MUCH = 32 * MiB
"""So much more than what other programs may allocate and free meanwhile, that the usage of all tells ours."""


@pytest.mark.parametrize("always", [True, False], ids=["always-valid BO", "ordinary BO that no job lists"])
@behaviour(
    "B39",
    "closing a mapped BO does not wait for work in flight, but its memory does",
    needs="page_table_jobs",
    rule=(
        "GEM_CLOSE unmaps implicitly whatever flags there are (amdgpu_gem_object_close), and the clear's fence keeps "
        "the memory."
    ),
    stalls=True,
)
def test_closed_memory_stays_until_work_in_flight_is_done(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, ordinary: Buffer, always: bool
) -> None:
    """The kernel wipes freed VRAM after the job, and all other wiping on the device queues up behind that."""
    buffer = gpu.alloc(MUCH, "vram", always_valid=always, cpu_access=False)
    tile = gpu.reserve(MUCH)
    tile.map(buffer)
    with shut_gate(gpu.compute) as job:
        before = vram_usage(gpu)
        call = BackgroundCall(buffer.close)
        returned = call.wait(ms(500))
        must.did(f"GEM_CLOSE of {size(MUCH)} of VRAM")
        must.be(
            returned and job.is_pending(),
            seen="it returned with the gate shut",
            otherwise=f"GEM_CLOSE blocked: {job.words} is pending, for which it must not wait",
            kind="note",
        )
        time.sleep(0.05)
        freed = before - vram_usage(gpu)
        must.be(
            freed < MUCH // 2 and job.is_pending(),
            seen="the memory was still in use then",
            otherwise=f"{size(freed)} were free again with {job.words} still pending, which may use them",
        )
    ordinary.fill(0x600DDA7A)
    other = gpu.reserve(TILE)
    other.map(ordinary)
    read = int.from_bytes(gpu_view.read(other.va, PAGE_SIZE, [ordinary])[:4], "little")
    must.equal(read, 0x600DDA7A, "afterwards, from another BO, the GPU read")
    must.be(
        is_freed(gpu, before - MUCH // 2),
        seen="and the memory was free",
        otherwise=f"2 s after {job.words} was done the memory of the closed BO is still in use",
    )


@behaviour(
    "B47",
    "an explicit unmap does not wait for work in flight just because VRAM was allocated before",
    control="B07c",
    needs=("explicit_sync", "update_fence"),
    rule="It waits for the clearing of new VRAM at most, and that is done before the job is there.",
)
def test_explicit_unmap_after_new_memory(gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer) -> None:
    """The clear's fence sits where explicit updates look, too: in the root directory's reservation object."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    gpu.alloc(MiB, "vram", always_valid=True)
    with shut_gate(gpu.compute) as job:
        must.signal(tile.unmap(always_valid, explicit_sync=True), within=ms(500), while_pending=job)


@behaviour(
    "O8",
    "VRAM allocated for the address space while work is in flight is usable once that is done",
    needs="update_fence",
    stalls=True,
)
def test_memory_allocated_under_work_in_flight(gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView) -> None:
    """Its clearing waits for the job, and everything about page tables for the clearing: unless it was clear."""
    tile = gpu.reserve(TILE)
    with shut_gate(gpu.compute) as job:
        buffer = gpu.alloc(TILE, "vram", always_valid=True)
        update = tile.map(buffer)
        must.did("an always-valid BO in VRAM, made with the gate shut; MAP")
        waits = not must.was_done(update)
        must.note(f"the MAP {'waits for the job (KERNEL.md E2)' if waits else 'does not wait: its pages were clear'}")
    must.signal(update, after=job)
    drain(gpu)
    must.equal(set(gpu_view.read(tile.va, TILE)), {0}, "the GPU read only")


def is_freed(gpu: Gpu, most: int) -> bool:
    """Whether no more than ``most`` bytes are in use within 2 s: the kernel frees from a worker."""
    end = time.monotonic() + 2
    while vram_usage(gpu) > most:
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
