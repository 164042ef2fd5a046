# SPDX-License-Identifier: MIT
"""REPLACE schedules its clear only, and takes its mapping for written."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("B08", "T07"))


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    if operation != drm.AMDGPU_VA_OP_REPLACE or bo_va is None:
        return original(ctx, bo_va, operation)
    cleared: DmaFence = original(ctx, bo_va, drm.AMDGPU_VA_OP_UNMAP)
    bo_va.valids |= bo_va.invalids
    bo_va.invalids = {}
    ctx.vm.moved.pop(bo_va, None)
    return cleared
