# SPDX-License-Identifier: MIT
"""Page-table updates do not wait for moves and clears of a buffer's memory."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync, SyncMode, amdgpu_sync_resv
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_KERNEL, DMA_RESV_USAGE_READ, DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O39",))


@replaces(amdgpu_sync_resv)
def sync_resv(
    original: Original, adev: AmdgpuDevice, sync: AmdgpuSync, resv: DmaResv, mode: SyncMode, owner: Any
) -> None:
    others = DmaResv()
    for fence, usage in resv.entries(DMA_RESV_USAGE_READ):
        if usage != DMA_RESV_USAGE_KERNEL:
            others.add_fence(fence, usage)
    original(adev, sync, others, mode, owner)
