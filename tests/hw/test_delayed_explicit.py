# SPDX-License-Identifier: MIT
"""AMDGPU_VM_DELAY_UPDATE and AMDGPU_VM_EXPLICIT_SYNC: what was delayed is always carried out implicitly.

The flag belongs to the ioctl. Once its work has been left to somebody else nobody knows any more what it waits for,
so it waits for every submission of the address space (F6).
"""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms

TILE = 64 * KiB
PATTERN = 0x01DDA7A0
EXPLICIT = ("explicit_sync", "update_fence")
IMPLICIT = "A submission clears vm->delayed_freed with AMDGPU_SYNC_EQ_OWNER (amdgpu_vm_delayed_free)."


def carry_out_a_delayed_unmap(gpu: Gpu, shut_gate: ShutGate, must: Must, buffer: Buffer, explicit_sync: bool) -> None:
    """Have a submission do it under work in flight; a MAP queued behind the clear shows what that waits for."""
    tile, elsewhere = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(buffer)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with shut_gate(gpu.compute) as job:
        tile.unmap(buffer, delay=True, explicit_sync=explicit_sync)
        must.did(f"delayed {'explicit ' if explicit_sync else ''}UNMAP of an always-valid BO, a submission")
        queue.submit(queue.packets.nop())
        update = elsewhere.map_prt()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "B35c",
    "a delayed unmap that a submission carries out waits for work in flight",
    control="B16",
    needs="update_fence",
    rule=IMPLICIT,
)
def test_submission_carries_out_a_delayed_unmap_implicitly(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """Page-table jobs of one address space run in order, so what is queued behind the clear waits with it."""
    carry_out_a_delayed_unmap(gpu, shut_gate, must, always_valid, explicit_sync=False)


@behaviour(
    "B35",
    "a delayed explicit unmap that a submission carries out waits for work in flight all the same",
    control="B16",
    needs=EXPLICIT,
    rule=IMPLICIT,
)
def test_submission_carries_out_a_delayed_explicit_unmap_implicitly(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """F6: the flag is accepted here, but it has no meaning."""
    carry_out_a_delayed_unmap(gpu, shut_gate, must, always_valid, explicit_sync=True)


@behaviour(
    "B35b",
    "a submission that carries out a delayed explicit unmap does not itself wait for work in flight",
    control="B35",
    needs=EXPLICIT,
    rule="Nothing makes a submission wait for the clear that it queues (amdgpu_cs_vm_handling).",
)
def test_submission_does_not_wait_for_a_delayed_unmap(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer
) -> None:
    """What was unmapped is none of its business."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with shut_gate(gpu.compute) as job:
        tile.unmap(always_valid, delay=True, explicit_sync=True)
        must.did("delayed explicit UNMAP of an always-valid BO")
        must.signal(queue.submit(queue.packets.nop()), within=ms(500), while_pending=job)


@pytest.mark.parametrize("always", [True, False], ids=["always-valid BO", "ordinary BO"])
@behaviour(
    "B35a",
    "an explicit update does not carry out an older delayed unmap under work in flight",
    needs=EXPLICIT,
    rule="The flag is about the mappings that its own operation takes away.",
    faults=True,
)
def test_explicit_update_leaves_older_delayed_unmaps_implicit(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer, always: bool
) -> None:
    """Either it waits with them for the job, or they are still mapped: J reads the buffer in both cases."""
    kept = gpu.alloc(TILE, always_valid=always)
    kept.fill(PATTERN)
    tile, other = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(kept)
    other.map(always_valid)
    gpu_view.forget()
    copy = gpu_view.copy_ib(tile.va, PAGE_SIZE)
    with shut_gate(gpu_view.queue, copy, buffers=[] if always else [kept]):
        tile.unmap(kept, delay=True)
        must.did("delayed UNMAP of the tile that the job copies")
        update = other.replace_prt(explicit_sync=True)
        waited = not must.was_done(update)
        must.did("explicit REPLACE of another tile")
    must.note("the REPLACE waited for the job" if waited else "the REPLACE did not wait")
    must.equal(int.from_bytes(gpu_view.landed(4), "little"), PATTERN, "the job read")


@behaviour(
    "T12",
    "a delayed explicit UNMAP changes nothing before the next submission",
    needs=EXPLICIT,
    rule="Only the mapping tree changes.",
    faults=True,
)
def test_delayed_explicit_unmap_is_not_carried_out_at_once(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer
) -> None:
    """Were it carried out at once, then under the job, which reads the buffer afterwards."""
    always_valid.fill(PATTERN)
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    gpu_view.forget()
    with shut_gate(gpu_view.queue, gpu_view.copy_ib(tile.va, PAGE_SIZE)) as job:
        tile.unmap(always_valid, delay=True, explicit_sync=True)
        must.did(f"delayed explicit UNMAP of what {job.words} copies; opened the gate")
        must.was_done(gpu.reserve(TILE).map_prt())
    must.equal(int.from_bytes(gpu_view.landed(4), "little"), PATTERN, "the job read")


@behaviour("T12", "a delayed MAP changes nothing before the next submission", faults=True)
def test_delayed_map_is_not_carried_out_at_once(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer
) -> None:
    """The job was submitted before the MAP, and looks at the address after it: nothing must be there yet."""
    always_valid.fill(PATTERN)
    tile = gpu.reserve(TILE)
    gpu_view.forget()
    with shut_gate(gpu_view.queue, gpu_view.copy_ib(tile.va, PAGE_SIZE)) as job:
        tile.map(always_valid, delay=True)
        must.did(f"delayed MAP where {job.words} copies from; opened the gate")
    got = int.from_bytes(gpu_view.landed(4), "little")
    must.be(got != PATTERN, seen=f"the job read {got:#x}", otherwise="the job already read the buffer")
