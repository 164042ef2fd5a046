# SPDX-License-Identifier: MIT
"""An explicit unmap changes the mapping tree only: nobody zeroes the page tables."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_clear_freed
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B07", "O11"))


@replaces(amdgpu_vm_clear_freed)
def clear_freed(original: Original, ctx: AmdgpuVmUpdateCtx) -> DmaFence | None:
    if ctx.explicit_sync_unmap:
        ctx.freed.clear()
    return original(ctx)
