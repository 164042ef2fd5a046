# SPDX-License-Identifier: MIT
"""The update fence of an operation that frees nothing is signalled at once, whatever came before."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_get_stub
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("O2",))

_UNMAPS = (drm.AMDGPU_VA_OP_UNMAP, drm.AMDGPU_VA_OP_CLEAR)


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    idle = not ctx.freed and operation in _UNMAPS
    fence = original(ctx, bo_va, operation)
    return dma_fence_get_stub() if idle else fence
