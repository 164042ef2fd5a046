# SPDX-License-Identifier: MIT
"""Explicit updates go to the entity for immediate updates, and overtake those that wait."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B13",))


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    vm = ctx.vm
    if not ctx.explicit_sync_unmap:
        return original(ctx, bo_va, operation)
    vm.delayed, vm.immediate = vm.immediate, vm.delayed
    try:
        return original(ctx, bo_va, operation)
    finally:
        vm.delayed, vm.immediate = vm.immediate, vm.delayed
