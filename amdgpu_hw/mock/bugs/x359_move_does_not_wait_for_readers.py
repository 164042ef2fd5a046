# SPDX-License-Identifier: MIT
"""The copy that moves a buffer waits for those that write to it, not for those that read: members of gangs lose it.

amdgpu_move_blit has the copy wait for everything on the reservation object; a copy only reads the old place, so its
fences looked like too much. But the old place is gone when it is done.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ttm import _amdgpu_move_blit
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TtmResource
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O39",))


@replaces(_amdgpu_move_blit)
def move_blit(original: Original, bo: AmdgpuBo, evict: bool, new: TtmResource) -> None:
    resv = bo.resv
    readers = [entry for entry in resv._fences if entry[1] == DMA_RESV_USAGE_READ]
    resv._fences = [entry for entry in resv._fences if entry[1] != DMA_RESV_USAGE_READ]
    original(bo, evict, new)
    resv._fences += readers
