# SPDX-License-Identifier: MIT
"""The update fence of a MAP of an always-valid buffer is that of its attachment, which nobody sets."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug
from amdgpu_hw.mock.planting_parts import update_fence
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VA_OP_MAP

BUG = Bug(caught_by=("O4",))


@update_fence
def wrong_out_fence(
    right: DmaFence, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int, cleared: DmaFence | None
) -> DmaFence:
    return bo_va.last_pt_update if operation == AMDGPU_VA_OP_MAP and bo_va is not None else right
