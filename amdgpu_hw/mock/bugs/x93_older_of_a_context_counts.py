# SPDX-License-Identifier: MIT
"""Of two jobs of one queue an update waits for the older: the newer fence does not take its place."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O21",))


@replaces(AmdgpuSync.fence)
def keep(original: Original, self: AmdgpuSync, fence: DmaFence | None) -> None:
    if fence is not None and any(fence.context == kept.context for kept in self):
        return
    original(self, fence)
