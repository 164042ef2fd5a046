# SPDX-License-Identifier: MIT
"""What an explicit UNMAP or CLEAR has queued is not the last update of the address space."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VA_OP_CLEAR, AMDGPU_VA_OP_UNMAP

BUG = Bug(caught_by=("O24",))


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    last, explicit = ctx.vm.last_update, ctx.explicit_sync_unmap
    fence: DmaFence = original(ctx, bo_va, operation)
    if explicit and operation in (AMDGPU_VA_OP_UNMAP, AMDGPU_VA_OP_CLEAR):
        ctx.vm.last_update = last
    return fence
