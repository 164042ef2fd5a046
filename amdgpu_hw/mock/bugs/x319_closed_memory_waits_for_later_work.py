# SPDX-License-Identifier: MIT
"""The memory of a closed always-valid buffer stays until nothing of its address space is in flight any more.

ttm_bo_release and ttm_bo_delayed_delete wait for the fences that were there when the buffer was closed, copied to its
own reservation object, and not for those that a shared one gets later: between 6.12 and 7.3 mended for imported ones.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import ttm_bo_release, when_signaled
from amdgpu_hw.mock.kernel.ttm.types import TtmBufferObject
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O78",))


@replaces(ttm_bo_release)
def release(original: Original, bo: TtmBufferObject, pending: list[DmaFence]) -> None:
    shared = bo.resv

    def look_again() -> None:
        fences = list(shared.iter(DMA_RESV_USAGE_BOOKKEEP))
        if fences:
            when_signaled(fences, look_again)
        else:
            original(bo, [])

    bo.deleted, bo.pending = True, pending
    when_signaled(pending, look_again)
