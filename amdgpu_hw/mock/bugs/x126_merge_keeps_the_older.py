# SPDX-License-Identifier: MIT
"""Of two fences of one context a merged fence keeps the older."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_unwrap import dma_fence_unwrap_merge
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O27",))


@replaces(dma_fence_unwrap_merge)
def merge(original: Original, *fences: DmaFence | None) -> DmaFence:
    kept: dict[int, DmaFence] = {}
    for fence in fences:
        if fence is not None and not fence.signaled:
            kept.setdefault(fence.context - fence.context % 2, fence)
    merged: DmaFence = original(*kept.values())
    return merged
