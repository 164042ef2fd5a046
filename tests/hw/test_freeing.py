# SPDX-License-Identifier: MIT
"""GEM_CLOSE under work in flight: it returns at once, and the memory stays until nobody can reach it any more."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB, MiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.debug_vm import require_updates_at_once
from amdgpu_hw.proof.fixtures import ShutFence, ShutGate, drain
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms, size
from amdgpu_hw.proof.usage import gtt_usage, vram_usage
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
    if not gpu.capabilities.update_fence:
        require_updates_at_once()
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
        is_freed(gpu, vram_usage, before - MUCH // 2, ms(2000)),
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


@behaviour(
    "O78",
    "the memory of a closed always-valid BO is free when the jobs from before are done, whatever comes later",
    control="B39",
    needs="page_table_jobs",
    rule="What a closed BO waits for is noted when it is closed (ttm_bo_individualize_resv); what shares its "
    "reservation object goes on.",
)
def test_closed_memory_does_not_wait_for_later_work(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """In system memory, and not mapped: nothing has to be taken out or wiped."""
    buffer, queue = gpu.alloc(MUCH, always_valid=True), gpu.compute
    with shut_fence() as second:
        with shut_fence() as first:
            job = queue.submit(queue.packets.nop(), wait=[first.syncobj])
            before = gtt_usage(gpu)
            buffer.close()
            later = queue.submit(queue.packets.nop(), wait=[second.syncobj])
            must.did(f"GEM_CLOSE of {size(MUCH)} under {job}, then {later} under another fence")
        must.signal(job, after=first)
        freed = is_freed(gpu, gtt_usage, before - MUCH // 2, ms(200))
        must.not_signal(later, at_most=ms(5), while_pending=second)
        must.be(
            freed,
            seen="the memory was free with the second job pending",
            otherwise=f"200 ms after {job} was done the memory of the closed BO is still in use: it waits for {later}, "
            "which came after GEM_CLOSE",
        )
    must.signal(later, after=second)


@behaviour(
    "O79",
    "a job in flight reads what is in a BO that is closed meanwhile",
    control="B39",
    needs="page_table_jobs",
    rule="Freed VRAM is wiped, behind all that may use it (amdgpu_bo_release_notify).",
    stalls=True,
)
def test_a_job_reads_what_is_closed_meanwhile(gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView) -> None:
    """In VRAM, filled by the GPU: the copy reads through a mapping that is on its way out."""
    buffer = gpu.alloc(TILE, "vram", always_valid=True, cpu_access=False)
    tile = gpu.reserve(TILE)
    tile.map(buffer)
    gpu_view.write(tile.va, [0x600DDA7A] * (TILE // 4))
    gpu_view.forget()
    with shut_gate(gpu_view.queue, gpu_view.copy_ib(tile.va, TILE)) as job:
        must.did(f"GEM_CLOSE of a BO in VRAM that {job.words} copies")
        buffer.close()
        time.sleep(0.02)
        must.not_signal(job.submission, at_most=ms(5), while_pending=job)
    read = set(memoryview(gpu_view.landed(TILE)).cast("I"))
    must.equal(read, {0x600DDA7A}, f"from the BO that was closed meanwhile {job.words} read only")


def is_freed(gpu: Gpu, usage: Callable[[Gpu], int], most: int, within: int) -> bool:
    """Whether no more than ``most`` bytes are in use within so many nanoseconds: the kernel frees from a worker."""
    end = time.monotonic_ns() + within
    while usage(gpu) > most:
        if time.monotonic_ns() > end:
            return False
        time.sleep(0.01)
    return True
