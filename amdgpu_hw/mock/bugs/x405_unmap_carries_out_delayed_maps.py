# SPDX-License-Identifier: MIT
"""An UNMAP writes whatever else is new of its buffer, delayed mappings that wait for their input fences too."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_update
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VA_OP_UNMAP

BUG = Bug(caught_by=("O99",))


@replaces(amdgpu_gem_va_update_vm)
def update(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    fence: DmaFence = original(ctx, bo_va, operation)
    if operation == AMDGPU_VA_OP_UNMAP and bo_va is not None:
        amdgpu_vm_bo_update(ctx, bo_va, clear=False)
    return fence
