# SPDX-License-Identifier: MIT
"""A reset of the whole GPU: what runs ends with an error, contexts hear of it, and after it everything works as before.

The driver is asked for it (amdgpu_gpu_recover of debugfs): nothing has hung, so that nobody may be blamed.
"""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import FLAG, behaviour
from amdgpu_hw.proof.fixtures import ResetGpu, RunningJob, ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import Inconclusive
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import Context
from amdgpu_hw.uapi import amdgpu_drm as uapi

TILE = 64 * KiB
DATA = 0x0AF7E2ED

RESET = uapi.AMDGPU_CTX_QUERY2_FLAGS_RESET
VRAMLOST = uapi.AMDGPU_CTX_QUERY2_FLAGS_VRAMLOST
GUILTY = uapi.AMDGPU_CTX_QUERY2_FLAGS_GUILTY


@pytest.fixture
def after_reset(reset_gpu: ResetGpu) -> None:
    """The GPU was reset before the test opens it; see `pytest.mark.usefixtures`."""
    reset_gpu()


@behaviour(
    "O100",
    "a reset ends a job that runs, with an error, and does not blame its context",
    rule="Its fence is completed with ECANCELED (amdgpu_fence_driver_force_completion, amdgpu_job_run); guilty is who "
    "hung (amdgpu_ctx_query2).",
    resets=True,
)
def test_a_reset_ends_what_runs_and_blames_nobody(
    gpu: Gpu, running_job: RunningJob, reset_gpu: ResetGpu, must: Must
) -> None:
    """An application that is told that it is guilty is not given another context (GL_ARB_robustness)."""
    with gpu.new_context() as idle, running_job(gpu.compute) as held:
        running = gpu.compute.pending()[-1]
        reset_gpu()
        must.did(f"had the driver reset the GPU while {running} ran")
        must.equal(running.signaled(), True, f"whether the fence of {running} has signalled:", kind="fence")
        if running.error is None and held.gate.opened_by:
            raise Inconclusive(f"{running} was done before the reset: {held.gate.why_open}")
        must.equal(running.error, errno.ECANCELED, f"the error of {running} is", kind="fence")
        for whose, context in (("its context", gpu.context), ("an idle context", idle)):
            flags = context.reset_flags()
            must.equal(bool(flags & RESET), True, f"whether {whose} is told of the reset:", kind="fence")
            must.equal(bool(flags & GUILTY), False, f"whether {whose} is guilty:", kind="fence")


@behaviour(
    "O101",
    "contexts are told of a reset that came after they were made, and refused if their page tables went with it",
    rule="amdgpu_ctx_query tells it once, amdgpu_ctx_query2 for ever; submissions of contexts of an older generation "
    "than their address space get ECANCELED (amdgpu_vm_generation).",
    resets=True,
)
def test_contexts_hear_of_a_reset(gpu: Gpu, reset_gpu: ResetGpu, must: Must) -> None:
    """So robust applications find out that they have to begin anew, and that they need not again."""
    raw = _allocate_context(gpu)
    with gpu.new_context() as before:
        must.equal(before.reset_flags(), 0, "before, QUERY_STATE2 said", kind="fence")
        reset_gpu()
        must.did("had the driver reset the GPU")
        with gpu.new_context() as after:
            lost = bool(before.reset_flags() & VRAMLOST)
            must.equal(before.reset_flags() & RESET, RESET, "of a reset QUERY_STATE2 says, asked again,", kind="fence")
            must.equal(after.reset_flags(), 0, "in a context made after the reset it says", kind="fence")
            told = [_reset_status(gpu, raw) for _ in range(2)]
            expected = [uapi.AMDGPU_CTX_UNKNOWN_RESET, uapi.AMDGPU_CTX_NO_RESET]
            must.equal(told, expected, "QUERY_STATE says, asked twice,", kind="fence")
            # Not the other one: from 7.2 on its IBs, which are always valid, stay unmapped (amdgpu_vm_bo_needs_update).
            answer = errno.ECANCELED if lost else 0
            words = f"it, VRAM {'was' if lost else 'was not'} lost"
            must.answer("submission of the older context", [(words, answer, lambda: _submit(before, gpu))])
    gpu.ioctl(uapi.IOCTL_AMDGPU_CTX, op=uapi.AMDGPU_CTX_OP_FREE_CTX, ctx_id=raw)


@pytest.mark.usefixtures("after_reset")
@behaviour(
    "O102",
    "after a reset memory and PRT are mapped and taken away as before it",
    needs="prt",
    rule="Who opens the GPU then has page tables of its own; what lets a GPU read zeros from PRT is set up again "
    "(gmc_v*_hw_init, gmc_v*_gart_enable).",
    resets=True,
)
def test_memory_and_prt_after_a_reset(gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: Buffer) -> None:
    """An application that has begun anew."""
    gpu_view.require_prt_access()
    always_valid.fill(DATA)
    memory, prt = gpu.reserve(TILE), gpu.reserve(TILE)
    memory.map(always_valid)
    prt.map_prt()
    must.did("had the driver reset the GPU, opened it, and mapped memory and PRT")
    must.equal(gpu_view.sample([memory.va, prt.va]), [DATA, 0], "from memory and PRT the GPU read")
    memory.replace_prt()
    prt.replace(always_valid)
    must.equal(gpu_view.sample([memory.va, prt.va]), [0, DATA], "with both exchanged the GPU read")


@pytest.mark.usefixtures("after_reset")
@behaviour(
    "O103",
    "after a reset taking away PRT explicitly takes effect while work is in flight",
    control="O103c",
    needs=("prt", FLAG, "update_fence"),
    rule="Nothing of the series is a state that a reset could lose.",
    resets=True,
)
def test_explicit_unmap_of_prt_after_a_reset(gpu: Gpu, shut_gate: ShutGate, must: Must) -> None:
    """Of B09 the first case, on rings that were started again."""
    mapping = gpu.reserve(TILE).map_prt()
    with shut_gate(gpu.compute) as job:
        must.signal(mapping.unmap(explicit_sync=True), within=ms(500), while_pending=job)


@pytest.mark.usefixtures("after_reset")
@behaviour(
    "O103c",
    "after a reset taking away an always-valid BO waits for work in flight",
    needs="update_fence",
    resets=True,
)
def test_unmap_of_memory_after_a_reset(gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer) -> None:
    """O103's control."""
    mapping = gpu.reserve(TILE).map(always_valid)
    with shut_gate(gpu.compute) as job:
        update = mapping.unmap()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


def _allocate_context(gpu: Gpu) -> int:
    """A context that the device layer knows nothing of."""
    return int(gpu.ioctl(uapi.IOCTL_AMDGPU_CTX, out=uapi.CTX_ALLOC_OUT, op=uapi.AMDGPU_CTX_OP_ALLOC_CTX)["ctx_id"])


def _reset_status(gpu: Gpu, ctx_id: int) -> int:
    """AMDGPU_CTX_*_RESET."""
    query = uapi.AMDGPU_CTX_OP_QUERY_STATE
    return int(gpu.ioctl(uapi.IOCTL_AMDGPU_CTX, out=uapi.CTX_STATE_OUT, op=query, ctx_id=ctx_id)["reset_status"])


def _submit(context: Context, gpu: Gpu) -> None:
    """A NOP that is over."""
    queue = context.queue(gpu.compute.engine)
    queue.submit(queue.packets.nop()).wait()
