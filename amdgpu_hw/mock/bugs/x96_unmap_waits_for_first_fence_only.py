# SPDX-License-Identifier: MIT
"""An unmap waits for one unfinished job, the first that it finds."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, AmdgpuSync, SyncMode, amdgpu_sync_resv
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B19c",))


@replaces(amdgpu_sync_resv)
def sync_resv(
    original: Original, adev: AmdgpuDevice, sync: AmdgpuSync, resv: DmaResv, mode: SyncMode, owner: Any
) -> None:
    if mode is not AMDGPU_SYNC_EQ_OWNER:
        original(adev, sync, resv, mode, owner)
        return
    found = AmdgpuSync()
    original(adev, found, resv, mode, owner)
    sync.fence(next(iter(found), None))
