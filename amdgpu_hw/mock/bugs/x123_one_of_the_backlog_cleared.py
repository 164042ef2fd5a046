# SPDX-License-Identifier: MIT
"""Of what delayed operations have left a submission zeroes one mapping; the others are forgotten."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_delayed_free
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O38",))


@replaces(amdgpu_vm_delayed_free)
def delayed_free(original: Original, ctx: AmdgpuVmUpdateCtx) -> DmaFence | None:
    del ctx.vm.delayed_freed[:-1]
    fence: DmaFence | None = original(ctx)
    return fence
