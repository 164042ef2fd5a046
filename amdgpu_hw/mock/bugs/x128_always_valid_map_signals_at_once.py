# SPDX-License-Identifier: MIT
"""The update fence of a MAP of an always-valid buffer is that of its attachment, which nobody sets."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import choose_out_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VA_OP_MAP

BUG = Bug(caught_by=("O4",))


@replaces(choose_out_fence)
def wrong_out_fence(
    original: Original,
    ctx: AmdgpuVmUpdateCtx,
    bo_va: AmdgpuBoVa | None,
    operation: int,
    cleared: DmaFence | None,
    ready: bool,
    failed: bool,
) -> DmaFence:
    fence: DmaFence = original(ctx, bo_va, operation, cleared, ready, failed)
    return bo_va.last_pt_update if operation == AMDGPU_VA_OP_MAP and bo_va is not None else fence
