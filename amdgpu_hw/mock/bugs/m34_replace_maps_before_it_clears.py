# SPDX-License-Identifier: MIT
"""REPLACE schedules its map before its clear: the range ends up empty."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_clear_freed
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("B08", "T07"))


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    if operation != drm.AMDGPU_VA_OP_REPLACE:
        return original(ctx, bo_va, operation)
    freed = ctx.freed[:]
    ctx.freed.clear()
    original(ctx, bo_va, operation)
    ctx.freed += freed
    cleared = amdgpu_vm_clear_freed(ctx)
    ctx.vm.last_update = cleared or ctx.vm.last_update
    return ctx.vm.last_update
