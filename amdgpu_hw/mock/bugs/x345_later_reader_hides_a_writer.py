# SPDX-License-Identifier: MIT
"""On a buffer a fence of one that reads takes the place of the writer's before it on the same queue.

dma_resv_add_fence replaces a fence of the same context only by one that is at least as strong (`old_usage >= usage`). A
reader may be later on its queue; who only waits for writers then waits for nobody, while the writer still writes.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O77",))


@replaces(DmaResv.add_fence)
def add_fence(original: Original, self: DmaResv, fence: DmaFence, usage: int) -> None:
    entries = self._fences
    for index, (old, _usage) in enumerate(entries):
        if old.context == fence.context and fence.seqno >= old.seqno:
            entries[index] = (fence, usage)
            return
    original(self, fence, usage)
