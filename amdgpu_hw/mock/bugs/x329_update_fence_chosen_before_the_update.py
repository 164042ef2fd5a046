# SPDX-License-Identifier: MIT
"""The update fence is chosen before the update is scheduled: it is that of the update before.

amdgpu_gem_va_ioctl of 6.16 to 6.18; mended in 7.0, where amdgpu_gem_va_update_vm returns the fence when all is done.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B05",))


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    before = ctx.vm.last_update
    original(ctx, bo_va, operation)
    return before
