# SPDX-License-Identifier: MIT
"""Behaviour under options that the kernel was booted with, or hardware that it was given."""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.debug_vm import require_debug_vm
from amdgpu_hw.proof.fixtures import ShutFence, ShutGate, ShutUserQueue, drain
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import BackgroundCall

TILE = 64 * KiB
EXPLICIT = ("explicit_sync", "update_fence")


def require_cpu_page_tables(gpu: Gpu) -> None:
    """Not testable where a GPU writes the page tables."""
    if gpu.capabilities.page_table_jobs:
        raise NotTestable(
            f"needs page tables that the CPU writes: {gpu.capabilities.page_table_jobs.why}", missing="cpu_page_tables"
        )


@behaviour("B42c", "where the CPU writes the page tables, a plain REPLACE blocks until work in flight is done")
def test_plain_replace_blocks_with_cpu_page_tables(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """There is no job that could wait, so the ioctl does (amdgpu_vm_cpu_prepare)."""
    require_cpu_page_tables(gpu)
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        call = BackgroundCall(tile.replace_prt)
        must.not_signal(call, while_pending=job)
    must.be(
        call.wait(ms(500)),
        seen="the ioctl returned when the gate had opened",
        otherwise=f"GEM_VA still blocked in the ioctl 500 ms after {job.words} had been let go",
        kind="fence",
    )


@behaviour(
    "B42",
    "where the CPU writes the page tables, an explicit REPLACE returns while work is in flight",
    control="B42c",
    needs="explicit_sync",
    rule="The CPU waits for what a job would wait for, which is nothing.",
)
def test_explicit_replace_returns_with_cpu_page_tables(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """There is nothing to wait for, so the CPU writes the entries at once."""
    require_cpu_page_tables(gpu)
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        call = BackgroundCall(lambda: tile.replace_prt(explicit_sync=True))
        must.come_back(call, within=ms(500), while_pending=job)


@behaviour(
    "B42a",
    "where the CPU writes the page tables, waiting for an input fence does not hold up submissions",
    rule="Whose fence it is may be unknown: only the caller has to wait for it, without locks (before patch 1).",
    finding="F13: the CPU waits for input fences where jobs do, with the page directory locked (patch 1).",
)
def test_input_fence_does_not_hold_up_submissions_with_cpu_page_tables(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """A submission of the same address space needs the lock of the page directory."""
    require_cpu_page_tables(gpu)
    if not gpu.capabilities.input_fence:
        raise NotTestable(f"needs input fence; {gpu.capabilities.input_fence.why}", missing="input_fence")
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    queue = gpu.compute
    with shut_fence() as fence:
        update = BackgroundCall(lambda: tile.replace_prt(inputs=[fence.syncobj]))
        must.did("REPLACE by PRT with a pending input fence, then a submission")
        must.not_signal(update, while_pending=fence)
        submission = BackgroundCall(lambda: queue.submit(queue.packets.nop()))
        must.come_back(submission, what="CS", while_pending=fence)
    must.signal(update, after=fence)


@behaviour(
    "B43",
    "with debug_vm, a MAP over an UNMAP that nobody waits for stays when that is carried out",
    rule="Updates of one address take effect in the order in which they were asked for.",
    finding="F1: with debug_vm what has no update fence is delayed, and its clear then comes too late (patch 1).",
    faults=True,
)
def test_map_over_an_unmap_stays_with_debug_vm(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """B33 without DELAY_UPDATE: under that option, which is for debugging, everything is delayed that can be."""
    require_debug_vm()
    old, new = (gpu.alloc(TILE, always_valid=True) for _ in range(2))
    new.fill(0x2E3DA7A0)
    tile = gpu.reserve(TILE)
    tile.map(old)
    drain(gpu)
    tile.unmap(old, out=None)
    tile.map(new)
    must.did("UNMAP without an update fence, MAP of another BO there, a submission, then a copy from there")
    gpu_view.flush()
    drain(gpu)
    must.equal(int.from_bytes(gpu_view.read(tile.va, PAGE_SIZE)[:4], "little"), 0x2E3DA7A0, "the GPU read")


@behaviour(
    "B43a",
    "with debug_vm, what a submission clears of a BO that it does not list waits for work in flight",
    control="B16",
    needs="update_fence",
    rule="BOs that moved and cannot be locked are cleared with AMDGPU_SYNC_EQ_OWNER (amdgpu_vm_handle_moved).",
)
def test_submission_clears_unlisted_buffers_implicitly(
    gpu: Gpu, shut_gate: ShutGate, must: Must, ordinary: Buffer
) -> None:
    """The option makes every listed BO look moved afterwards, and never locks one that is not listed."""
    require_debug_vm()
    tile, elsewhere = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(ordinary)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with shut_gate(gpu.compute) as job:
        queue.submit(queue.packets.nop(), buffers=[ordinary])
        queue.submit(queue.packets.nop())
        must.did("a submission that lists a BO, one that does not")
        update = elsewhere.map_prt()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "B48",
    "an explicit unmap waits for a user queue's fence on what it takes away",
    control="B07",
    needs=EXPLICIT,
    rule="No scheduler is behind such a fence, so nobody owns it, and it is waited for in every mode (KERNEL.md 4.2).",
    faults=True,
)
def test_explicit_unmap_waits_for_user_queues(
    gpu: Gpu, shut_user_queue: ShutUserQueue, must: Must, always_valid: Buffer
) -> None:
    """F12: an address space that uses kernel queues and user queues side by side gains little from the flag."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_user_queue(always_valid) as fence:
        must.did("left the fence of a user queue on the BO, whose doorbell is not rung")
        update = tile.unmap(always_valid, explicit_sync=True)
        must.not_signal(update, while_pending=fence)
    must.signal(update, after=fence)
