# SPDX-License-Identifier: MIT
"""Delayed unmaps that nobody has carried out yet: the flag of a later update says nothing about them."""

from __future__ import annotations

from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must

TILE = 64 * KiB
EXPLICIT = ("explicit_sync", "update_fence")
RULE = "The flag belongs to one operation, and the buffer of the delayed unmap could be freed under the job."


@behaviour(
    "O3",
    "an explicit update after a delayed UNMAP does not take that memory from work in flight",
    control="B06",
    needs=EXPLICIT,
    rule=RULE,
)
def test_explicit_update_does_not_carry_out_a_delayed_unmap_early(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer, ordinary: Buffer
) -> None:
    """J itself looks: whatever becomes of the backlog meanwhile, J still reads the buffer that it was given."""
    pattern = bytes(range(256)) * (TILE // 256)
    ordinary.write(0, pattern)
    used, other = gpu.reserve(TILE), gpu.reserve(TILE)
    used.map(ordinary)
    other.map(always_valid)
    gpu_view.forget()
    with shut_gate(gpu_view.queue, gpu_view.copy_ib(used.va, TILE), buffers=[ordinary]) as job:
        used.unmap(ordinary, delay=True)
        must.did("delayed UNMAP of an ordinary BO that J reads, then explicit REPLACE of another by PRT")
        update = other.replace_prt(explicit_sync=True)
        # It may wait, behind the backlog, or not: both are right as long as J reads its data.
        signalled = must.was_done(update)
        must.note(f"update fence {'signalled' if signalled else 'unsignalled'} with the gate shut")
    must.signal(update, after=job)
    must.be(
        gpu_view.landed(TILE) == pattern,
        seen="the job read the right data",
        otherwise=f"{job.words} read wrong data from {used.va:#_x}: it was unmapped under it",
    )
    fault = vm_fault(gpu)
    must.be(fault is None, seen="no VM fault", otherwise=f"{job.words} raised a {fault}", kind="note")


@behaviour(
    "O3",
    "a delayed UNMAP waits for work in flight when a submission carries it out, also after an explicit update",
    control=("B16", "B06"),
    needs=EXPLICIT,
    rule=RULE,
)
def test_backlog_stays_implicit_after_an_explicit_update(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, ordinary: Buffer
) -> None:
    """The submission queues the clearing, a MAP behind it shows that it waits: alone it would not (B16)."""
    gone, other, scratch = gpu.reserve(TILE), gpu.reserve(TILE), gpu.reserve(TILE)
    gone.map(ordinary)
    other.map(always_valid)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with shut_gate(gpu.compute) as job:
        gone.unmap(ordinary, delay=True)
        must.did("delayed UNMAP of an ordinary BO, explicit REPLACE of another by PRT, a submission, then MAP")
        other.replace_prt(explicit_sync=True)
        queue.submit(queue.packets.nop())
        update = scratch.map(always_valid)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)
