# SPDX-License-Identifier: MIT
"""The update fence of UNMAP is a signalled one."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_get_stub
from amdgpu_hw.mock.planting import Bug
from amdgpu_hw.mock.planting_parts import update_fence
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VA_OP_UNMAP

BUG = Bug(caught_by=("B07c",))


@update_fence
def wrong_out_fence(
    right: DmaFence, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int, cleared: DmaFence | None
) -> DmaFence:
    return dma_fence_get_stub() if operation == AMDGPU_VA_OP_UNMAP else right
