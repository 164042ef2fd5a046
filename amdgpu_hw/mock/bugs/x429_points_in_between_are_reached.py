# SPDX-License-Identifier: MIT
"""A point that nobody has submitted by its own number, between two that somebody has, counts as reached.

dma_fence_chain_find_seqno looks for the node with that number and not for the first that is not before it. With points
2 and 5 pending, a wait for point 3, or a submission or an update that waits for it, goes on at once.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import DmaFenceChain, dma_fence_chain_find_seqno
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O54",))


@replaces(dma_fence_chain_find_seqno)
def find_seqno(original: Original, fence: DmaFence | None, seqno: int) -> DmaFence | None:
    link: DmaFence | None = original(fence, seqno)
    is_later = bool(seqno) and isinstance(link, DmaFenceChain) and link.seqno > seqno
    return None if is_later else link
