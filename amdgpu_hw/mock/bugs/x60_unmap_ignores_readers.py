# SPDX-License-Identifier: MIT
"""An unmap looks at fences of writers only: members of a gang, which are readers, lose their pages."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, AmdgpuSync, SyncMode, amdgpu_sync_resv
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_WRITE, DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O15c",))


@replaces(amdgpu_sync_resv)
def sync_resv(
    original: Original, adev: AmdgpuDevice, sync: AmdgpuSync, resv: DmaResv, mode: SyncMode, owner: Any
) -> None:
    if mode is AMDGPU_SYNC_EQ_OWNER:
        writers = DmaResv()
        for fence, usage in resv.entries(DMA_RESV_USAGE_WRITE):
            writers.add_fence(fence, usage)
        resv = writers
    original(adev, sync, resv, mode, owner)
