# SPDX-License-Identifier: MIT
"""A submission does not wait for jobs of other address spaces on its buffers, as if they were its own."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import (
    AMDGPU_SYNC_NE_OWNER,
    SyncMode,
    amdgpu_sync_get_owner,
    amdgpu_sync_same_dev,
    amdgpu_sync_test_fence,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O51",))


@replaces(amdgpu_sync_test_fence)
def test_fence(original: Original, adev: AmdgpuDevice, mode: SyncMode, owner: Any, fence: DmaFence) -> bool:
    is_job = isinstance(amdgpu_sync_get_owner(fence), AmdgpuVm) and amdgpu_sync_same_dev(adev, fence)
    waits: bool = original(adev, mode, owner, fence)
    return waits and not (mode is AMDGPU_SYNC_NE_OWNER and is_job)
