# SPDX-License-Identifier: MIT
"""Explicit updates do not wait for what moves memory, nor for other drivers."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu import amdgpu_sync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EXPLICIT, SyncMode
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O12",))


@replaces(amdgpu_sync.amdgpu_sync_test_fence)
def test_fence(original: Original, adev: AmdgpuDevice, mode: SyncMode, owner: object, fence: DmaFence) -> bool:
    return mode is not AMDGPU_SYNC_EXPLICIT and original(adev, mode, owner, fence)
