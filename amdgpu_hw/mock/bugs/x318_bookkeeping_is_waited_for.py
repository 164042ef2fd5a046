# SPDX-License-Identifier: MIT
"""Jobs wait for fences that are on a buffer for bookkeeping only, such as those of TLB flushes.

amdgpu_sync_resv went through all fences, and went by their owner alone, until it stopped at DMA_RESV_USAGE_READ:
between 6.12 and 7.3.
"""

from __future__ import annotations

from typing import Any

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync, SyncMode, amdgpu_sync_resv, amdgpu_sync_test_fence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B35b",), parameters={"user_queue": 1})


@replaces(amdgpu_sync_resv)
def sync_resv(
    original: Original, adev: AmdgpuDevice, sync: AmdgpuSync, resv: DmaResv, mode: SyncMode, owner: Any
) -> None:
    original(adev, sync, resv, mode, owner)
    for fence, usage in resv.entries(DMA_RESV_USAGE_BOOKKEEP):
        if usage == DMA_RESV_USAGE_BOOKKEEP and amdgpu_sync_test_fence(adev, mode, owner, fence):
            sync.fence(fence)
