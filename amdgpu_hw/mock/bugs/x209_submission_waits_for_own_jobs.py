# SPDX-License-Identifier: MIT
"""A submission waits for jobs of its own address space on the buffers that it lists, whatever their queues."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import (
    AMDGPU_SYNC_ALWAYS,
    AMDGPU_SYNC_NE_OWNER,
    SyncMode,
    amdgpu_sync_test_fence,
)
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O52c",))


@replaces(amdgpu_sync_test_fence)
def test_fence(original: Original, adev: AmdgpuDevice, mode: SyncMode, owner: Any, fence: DmaFence) -> bool:
    waits: bool = original(adev, AMDGPU_SYNC_ALWAYS if mode is AMDGPU_SYNC_NE_OWNER else mode, owner, fence)
    return waits
