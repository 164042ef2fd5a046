# SPDX-License-Identifier: MIT
"""An explicit update leaves to later what delayed operations have freed before it."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.mock.planting_parts import backlog_set_aside

BUG = Bug(caught_by=("O25",))


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    if not ctx.explicit_sync_unmap:
        return original(ctx, bo_va, operation)
    with backlog_set_aside(ctx.vm):
        return original(ctx, bo_va, operation)
