# SPDX-License-Identifier: MIT
"""AMDGPU_VM_DELAY_UPDATE: only the mapping tree changes, a later update or submission writes the page tables."""

from __future__ import annotations

from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate, drain
from amdgpu_hw.proof.must import Must

TILE = 64 * KiB
BATCHING = (
    "Delayed updates are there to be batched: the last one, which is not delayed, has to carry out the others, "
    "so its fence covers them."
)
F1_F5 = (
    "F1 and F5: amdgpu_vm_clear_freed only looks at the mappings freed by its own ioctl; delayed ones wait in "
    "vm->delayed_freed for the next submission (patch 1)."
)


@behaviour("T12", "a delayed MAP is carried out by the next submission (always-valid BO)")
def test_submission_sees_a_delayed_map(gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: Buffer) -> None:
    """The submission itself waits for what it queued, so it reads the data."""
    always_valid.fill(0x600DDA7A)
    tile = gpu.reserve(TILE)
    must.did("delayed MAP of an always-valid BO, then a copy from there")
    tile.map(always_valid, delay=True)
    must.equal(first_dword(gpu_view.read(tile.va, PAGE_SIZE)), 0x600DDA7A, "the GPU read")


@behaviour("T12", "a delayed MAP is carried out by the next submission (ordinary BO in its list)")
def test_submission_sees_a_delayed_map_of_a_listed_buffer(
    gpu: Gpu, must: Must, gpu_view: GpuView, ordinary: Buffer
) -> None:
    """Ordinary buffers are updated when a submission lists them."""
    ordinary.fill(0x0D15EA5E)
    tile = gpu.reserve(TILE)
    must.did("delayed MAP of an ordinary BO, then a copy that lists it")
    tile.map(ordinary, delay=True)
    must.equal(first_dword(gpu_view.read(tile.va, PAGE_SIZE, [ordinary])), 0x0D15EA5E, "the GPU read")


@behaviour("T12", "a delayed REPLACE by PRT is carried out by the next submission")
def test_submission_carries_out_a_delayed_replace(
    gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: Buffer
) -> None:
    """The first submission only queues the work (it does not wait for the clear), so a second one looks."""
    gpu_view.require_prt_access()
    always_valid.fill(0x01DDA7A0)
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    must.equal(first_dword(gpu_view.read(tile.va, PAGE_SIZE)), 0x01DDA7A0, "before, the GPU read")
    must.did("delayed REPLACE by PRT, a submission, then a copy from there")
    tile.replace_prt(delay=True)
    gpu_view.flush()
    drain(gpu)
    must.equal(first_dword(gpu_view.read(tile.va, PAGE_SIZE)), 0, "afterwards the GPU read")


@behaviour("T12", "a delayed UNMAP is carried out by the next submission", faults=True)
def test_submission_carries_out_a_delayed_unmap(gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: Buffer) -> None:
    """Nothing is mapped there any more: the GPU faults, and reads what its kernel gives it instead of the old data."""
    always_valid.fill(0x01DDA7A0)
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    must.did("delayed UNMAP, a submission, then a copy from there")
    tile.unmap(always_valid, delay=True)
    gpu_view.flush()
    drain(gpu)
    got = first_dword(gpu_view.read(tile.va, PAGE_SIZE))
    must.be(got != 0x01DDA7A0, seen=f"the GPU read {got:#x}", otherwise="the GPU still read the old data")
    # Not on every GPU: before GFX9 no access faults while any process has a PRT mapping (KERNEL.md E10).
    must.note(vm_fault(gpu) or "no VM fault")


@behaviour(
    "O1",
    "a plain MAP after a delayed unmap carries that out, and waits with it for work in flight",
    control="B16",
    needs="update_fence",
    rule=BATCHING,
    finding=F1_F5,
)
def test_plain_map_carries_out_a_delayed_unmap(gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer) -> None:
    """Without the delayed unmap before it the same MAP would not wait (B16), so the waiting is the unmap's."""
    tile, elsewhere = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        tile.unmap(always_valid, delay=True)
        must.did("delayed UNMAP of an always-valid BO")
        update = elsewhere.map(always_valid)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "O2",
    "an empty CLEAR after a delayed unmap carries that out: its fence covers the whole batch",
    control="B16",
    needs="update_fence",
    rule=BATCHING,
    finding=F1_F5,
)
def test_empty_clear_carries_out_a_delayed_unmap(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """Batch with DELAY_UPDATE, flush with an operation that does nothing else, wait for its fence."""
    tile, empty = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        tile.unmap(always_valid, delay=True)
        must.did("delayed UNMAP of an always-valid BO")
        update = empty.clear()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


def first_dword(data: bytes) -> int:
    """The first dword of what was read."""
    return int.from_bytes(data[:4], "little")
