# SPDX-License-Identifier: MIT
"""What only a trace of the scheduler and of amdgpu tells: why a job waits, and what the driver noted of a mapping."""

from __future__ import annotations

import re

from amdgpu_hw.evidence.trace import TraceInstance
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.words import flag_words
from amdgpu_hw.uapi import amdgpu_drm as uapi

TILE = 64 * KiB
VA_BITS = 48


@behaviour(
    "O11",
    "an explicit unmap behind a plain one waits in the queue, but not for the job that the plain one waits for",
    control="B05",
    needs=("explicit_sync", "update_fence"),
    rule="Page-table jobs of one address space run in order (drm_sched_entity); only the first one's job is named.",
)
def test_explicit_unmap_behind_a_plain_one_names_no_job(
    gpu: Gpu, shut_gate: ShutGate, must: Must, trace: TraceInstance, always_valid: Buffer, ordinary: Buffer
) -> None:
    """The fence of B13 cannot tell a dependency from a queue; the trace can."""
    first, second = gpu.reserve(TILE), gpu.reserve(TILE)
    first.map(ordinary)
    second.map(always_valid)
    with shut_gate(gpu.compute) as job:
        if job.watch is None:
            raise NotTestable(f"the trace does not show {job.words} as ours", missing="job_trace")
        first.unmap(ordinary)
        plain, waiting = job.watch.take()
        must.be(
            bool(waiting),
            seen=f"{len(waiting)} of {len(plain)} jobs of the plain UNMAP depends on {job.words}",
            otherwise=f"none of {len(plain)} jobs of the plain UNMAP depends on {job.words}",
            kind="trace",
        )
        update = second.unmap(always_valid, explicit_sync=True)
        explicit, waiting = job.watch.take()
        must.be(
            bool(explicit) and not waiting,
            seen=f"none of {len(explicit)} of the explicit UNMAP",
            otherwise=f"{len(waiting)} of {len(explicit)} jobs of the explicit UNMAP depend on {job.words}",
            kind="trace",
        )
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "B41",
    "traces show the flags of a mapping, and not that it was made explicitly",
    needs="explicit_sync",
    rule="amdgpu_vm_bo_map and amdgpu_vm_bo_unmap print what the mapping keeps.",
    finding="F11: AMDGPU_VM_EXPLICIT_SYNC is kept in the flags of the mapping (patch 2).",
)
def test_traces_show_the_flags_of_a_mapping(gpu: Gpu, must: Must, trace: TraceInstance, always_valid: Buffer) -> None:
    """Mapped and unmapped with the flag."""
    tile = gpu.reserve(TILE)
    trace.take()
    tile.map(always_valid, explicit_sync=True)
    tile.unmap(always_valid, explicit_sync=True)
    page = (tile.va & (1 << VA_BITS) - 1) >> uapi.AMDGPU_GPU_PAGE_SHIFT
    flags = {
        event.name: int(match[2], 16)
        for event in trace.take()
        if (match := re.search(r"start=(\w+),.* flags=(\w+)", event.text)) and int(match[1], 16) == page
    }
    if flags.keys() != {"amdgpu_vm_bo_map", "amdgpu_vm_bo_unmap"}:
        raise NotTestable("the kernel does not trace mappings in the form that is known here", missing="mapping_trace")
    must.did("explicit MAP of an always-valid BO, explicit UNMAP")
    shown = ", ".join(f"{name}: {flag_words(word)}" for name, word in flags.items())
    kept = [name for name, word in flags.items() if word & uapi.AMDGPU_VM_EXPLICIT_SYNC]
    must.be(not kept, seen=shown, otherwise=f"the trace shows {shown}", kind="trace")
