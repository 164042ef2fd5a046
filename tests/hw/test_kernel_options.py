# SPDX-License-Identifier: MIT
"""Behaviour under options that the kernel was booted with, or hardware that it was given."""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.module_parameters import module_parameter
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate, drain
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import BackgroundCall
from amdgpu_hw.uapi import amdgpu_info as info

TILE = 64 * KiB
EXPLICIT = ("explicit_sync", "update_fence")
DEBUG_VM = 1 << 0
"""Bit of the module parameter debug_mask."""


def require_cpu_page_tables() -> None:
    """Not testable where a GPU writes the page tables."""
    mode = module_parameter("vm_update_mode")
    if mode < 0 or not mode & 1:
        raise NotTestable(
            f"needs page tables that the CPU writes: amdgpu.vm_update_mode is {mode}, not 3", missing="cpu_page_tables"
        )


@behaviour("B42c", "where the CPU writes the page tables, a plain REPLACE blocks until work in flight is done")
def test_plain_replace_blocks_with_cpu_page_tables(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """There is no job that could wait, so the ioctl does (amdgpu_vm_cpu_prepare)."""
    require_cpu_page_tables()
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        call = BackgroundCall(tile.replace_prt)
        must.not_signal(call, while_pending=job)
    must.signal(call, after=job)


@behaviour(
    "B42",
    "where the CPU writes the page tables, an explicit REPLACE returns while work is in flight",
    control="B42c",
    needs=EXPLICIT,
    rule="The CPU waits for what a job would wait for, which is nothing.",
)
def test_explicit_replace_returns_with_cpu_page_tables(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """F13: the same goes for input fences, for which the caller then waits with the page directory locked."""
    require_cpu_page_tables()
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        call = BackgroundCall(lambda: tile.replace_prt(explicit_sync=True))
        must.come_back(call, within=ms(500), while_pending=job)


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


def require_debug_vm() -> None:
    """Not testable where the driver does not run with that option."""
    mask = module_parameter("debug_mask")
    if not mask & DEBUG_VM:
        raise NotTestable(f"needs debug_vm: amdgpu.debug_mask is {mask:#x}, without bit 0", missing="debug_vm")


@behaviour("B48", "explicit unmaps wait for user queues, whose fences have no owner", needs=EXPLICIT)
def test_explicit_unmap_waits_for_user_queues(gpu: Gpu) -> None:
    """F12: amdgpu_sync takes a fence that no scheduler made for somebody else's, and always waits for those."""
    reply = info.INFO_DEVICE.as_dict(gpu.query_info(info.AMDGPU_INFO_DEV_INFO, info.INFO_DEVICE.size))
    if not reply["userq_ip_mask"]:
        raise NotTestable("needs user queues: this kernel offers none (userq_ip_mask is 0)", missing="user_queues")
    raise NotTestable("needs a user queue, of which these tests make none yet", missing="user_queues")
