# SPDX-License-Identifier: MIT
"""An unmap does not wait for jobs of the graphics ring."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, SyncMode, amdgpu_sync_test_fence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.scheduler.sched_fence import to_drm_sched_fence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B16",))


@replaces(amdgpu_sync_test_fence)
def test_fence(original: Original, adev: AmdgpuDevice, mode: SyncMode, owner: Any, fence: DmaFence) -> bool:
    s_fence = to_drm_sched_fence(fence)
    ring = s_fence.sched.name if s_fence is not None and s_fence.sched is not None else ""
    if mode is AMDGPU_SYNC_EQ_OWNER and s_fence is not None and s_fence.owner is owner and "gfx" in ring:
        return False
    return bool(original(adev, mode, owner, fence))
