# SPDX-License-Identifier: MIT
"""An implicit unmap waits only for submissions to the first compute ring."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu import amdgpu_sync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, SyncMode
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.scheduler.sched_fence import to_drm_sched_fence
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("B19",))


@replaces(amdgpu_sync.amdgpu_sync_test_fence)
def test_fence(original: Original, adev: AmdgpuDevice, mode: SyncMode, owner: object, fence: DmaFence) -> bool:
    s_fence = to_drm_sched_fence(fence)
    if mode is AMDGPU_SYNC_EQ_OWNER and s_fence is not None:
        first = adev.scheds[drm.AMDGPU_HW_IP_COMPUTE, 0]
        return s_fence.sched is first and original(adev, mode, owner, fence)
    return original(adev, mode, owner, fence)
