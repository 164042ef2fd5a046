# SPDX-License-Identifier: MIT
"""Merging fences loses those whose context is lower than that of one before.

__dma_fence_unwrap_merge took it for granted that each container has its fences by context; since 6.13 it sorts them.
"""

from __future__ import annotations

from collections.abc import Iterator

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_unwrap import dma_fence_unwrap_for_each, dma_fence_unwrap_merge
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B30",))


@replaces(dma_fence_unwrap_merge)
def merge(original: Original, *fences: DmaFence | None) -> DmaFence:
    merged: DmaFence = original(*_in_order(fences))
    return merged


def _in_order(fences: tuple[DmaFence | None, ...]) -> Iterator[DmaFence]:
    context = 0
    for head in fences:
        for fence in dma_fence_unwrap_for_each(head):
            if fence.context >= context:
                context = fence.context
                yield fence
