# SPDX-License-Identifier: MIT
"""Points of a timeline are compared in 32 bits."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import dma_fence_chain_find_seqno
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T10",))


@replaces(dma_fence_chain_find_seqno)
def find_seqno(original: Original, fence: DmaFence | None, seqno: int) -> DmaFence | None:
    found: DmaFence | None = original(fence, seqno & 0xFFFFFFFF)
    return found
