# SPDX-License-Identifier: MIT
"""A timeline point signals with its own fence, although earlier points are pending."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf import dma_fence_chain
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import DmaFenceChain
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B44",))


@replaces(dma_fence_chain.DmaFenceChain._first_active)
def first_active(original: Original, self: DmaFenceChain) -> DmaFence | None:
    return None if self.fence.signaled else self.fence
