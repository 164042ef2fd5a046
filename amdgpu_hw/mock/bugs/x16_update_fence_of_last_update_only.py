# SPDX-License-Identifier: MIT
"""The update fence of a MAP of an ordinary buffer is that of the address space, not of the buffer."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import choose_out_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B25", "B35"))


@replaces(choose_out_fence)
def out_fence(
    original: Original,
    ctx: AmdgpuVmUpdateCtx,
    bo_va: AmdgpuBoVa | None,
    operation: int,
    cleared: DmaFence | None,
    ready: bool,
    failed: bool,
) -> DmaFence:
    return ctx.vm.last_update
