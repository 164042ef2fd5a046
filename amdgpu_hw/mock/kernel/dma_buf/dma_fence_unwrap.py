# SPDX-License-Identifier: MIT
"""Fences that stand for others, taken apart and merged (dma-fence-unwrap.c, dma-fence-unwrap.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import dma_fence_allocate_private_stub, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_array import DmaFenceArray
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import dma_fence_chain_contained, dma_fence_chain_for_each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence

__all__ = ("dma_fence_unwrap_for_each", "dma_fence_unwrap_merge")


def dma_fence_unwrap_for_each(head: DmaFence | None) -> Iterator[DmaFence]:
    """The plain fences in a chain, an array, or a chain of arrays; a plain fence is its own only element."""
    for link in dma_fence_chain_for_each(head):
        contained = dma_fence_chain_contained(link)
        if isinstance(contained, DmaFenceArray):
            yield from contained.fences
        else:
            yield contained


def dma_fence_unwrap_merge(*fences: DmaFence | None) -> DmaFence:
    """One fence for all: unwraps every container, drops what has signalled, keeps the latest of each context.

    Nothing pending gives a signalled stub with the latest timestamp seen, one pending fence is returned itself,
    more become a `DmaFenceArray` ordered by context (`__dma_fence_unwrap_merge`).
    """
    latest: dict[int, DmaFence] = {}
    timestamp = 0
    for head in fences:
        for fence in dma_fence_unwrap_for_each(head):
            if fence.signaled:
                timestamp = max(timestamp, fence.timestamp)
                continue
            known = latest.get(fence.context)
            if known is None or fence.seqno > known.seqno:
                latest[fence.context] = fence
    if not latest:
        return dma_fence_allocate_private_stub(timestamp)
    if len(latest) == 1:
        return next(iter(latest.values()))
    return DmaFenceArray([latest[context] for context in sorted(latest)], dma_fence_context_alloc(1), 1)
