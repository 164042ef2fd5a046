# SPDX-License-Identifier: MIT
"""A point of a timeline waits for its own fence and the point before it, not for what is before that.

dma_fence_chain_signaled goes back along the chain until a fence is pending; without the loop it looks one link back.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import DmaFenceChain, dma_fence_chain_contained
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O54",))


@replaces(DmaFenceChain._first_active)
def first_active(original: Original, self: DmaFenceChain) -> DmaFence | None:
    links = [self.fence] if self.prev is None else [self.fence, dma_fence_chain_contained(self.prev)]
    return next((fence for fence in links if not fence.signaled), None)
