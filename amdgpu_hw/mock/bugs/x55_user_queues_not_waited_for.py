# SPDX-License-Identifier: MIT
"""An explicit update takes the fence of a user queue for one of its own address space, and does not wait for it."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.mock.kernel.amdgpu import amdgpu_sync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EXPLICIT, SyncMode
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_userq_fence import AmdgpuUserqFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B48",), parameters={"user_queue": 1})


@replaces(amdgpu_sync.amdgpu_sync_test_fence)
def test_fence(original: Original, adev: AmdgpuDevice, mode: SyncMode, owner: Any, fence: DmaFence) -> bool:
    if mode is AMDGPU_SYNC_EXPLICIT and isinstance(fence, AmdgpuUserqFence):
        return False
    waits: bool = original(adev, mode, owner, fence)
    return waits
