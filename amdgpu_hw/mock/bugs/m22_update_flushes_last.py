# SPDX-License-Identifier: MIT
"""An update carries out delayed unmaps after it has written its own mapping."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_delayed_free
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.mock.planting_parts import backlog_set_aside

BUG = Bug(caught_by=("B33", "B34"))


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    with backlog_set_aside(ctx.vm):
        fence: DmaFence = original(ctx, bo_va, operation)
    cleared = amdgpu_vm_delayed_free(AmdgpuVmUpdateCtx(ctx.adev, ctx.vm))
    return cleared or fence
