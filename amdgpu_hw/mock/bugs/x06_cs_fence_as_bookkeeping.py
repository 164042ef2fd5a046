# SPDX-License-Identifier: MIT
"""A submission's fence is added for bookkeeping only, where no implicit synchronization looks."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.dma_buf import dma_resv
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DMA_RESV_USAGE_WRITE, DmaResv
from amdgpu_hw.mock.kernel.scheduler.sched_fence import to_drm_sched_fence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B05", "B07c", "B08c", "B09c"))


@replaces(dma_resv.DmaResv.add_fence)
def add_fence(original: Original, self: DmaResv, fence: DmaFence, usage: int) -> None:
    s_fence = to_drm_sched_fence(fence)
    is_submission = s_fence is not None and isinstance(s_fence.owner, AmdgpuVm)
    original(self, fence, DMA_RESV_USAGE_BOOKKEEP if is_submission and usage == DMA_RESV_USAGE_WRITE else usage)
