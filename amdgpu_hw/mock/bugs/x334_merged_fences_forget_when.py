# SPDX-License-Identifier: MIT
"""Merging fences that have signalled gives one that says it has signalled just now.

__dma_fence_unwrap_merge keeps the time of the last one since 6.5 (dma_fence_allocate_private_stub).
"""

from __future__ import annotations

import time

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_allocate_private_stub
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O55",))


@replaces(dma_fence_allocate_private_stub)
def private_stub(original: Original, timestamp: int) -> DmaFence:
    stub: DmaFence = original(time.monotonic_ns())
    return stub
