# SPDX-License-Identifier: MIT
"""The update fence of a MAP of an ordinary buffer is that of the address space, not of the buffer."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug
from amdgpu_hw.mock.planting_parts import update_fence

BUG = Bug(caught_by=("B25", "B35"))


@update_fence
def wrong_out_fence(
    right: DmaFence, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int, cleared: DmaFence | None
) -> DmaFence:
    return ctx.vm.last_update
