# SPDX-License-Identifier: MIT
"""On a buffer a fence takes the place of any other of its context, of a later one as well.

dma_resv_add_fence; mainline mended that after 6.1, which has it from a stable release: dma_fence_is_later_or_same.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O77",))


@replaces(DmaResv.add_fence)
def add_fence(original: Original, self: DmaResv, fence: DmaFence, usage: int) -> None:
    for old, old_usage in self.entries(DMA_RESV_USAGE_BOOKKEEP):
        if old.context == fence.context and old_usage >= usage:
            self.replace_fences(old.context, fence, usage)
            return
    original(self, fence, usage)
