# SPDX-License-Identifier: MIT
"""A point of a timeline that becomes the fence of another syncobj counts without the points before it.

drm_syncobj_replace_fence with dma_fence_chain_contained, so that what is no timeline has no chain. After a TRANSFER of
point 2 to a binary syncobj, or the import of its sync file, a wait for that is over while point 1 is pending.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import dma_fence_chain_contained
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj, drm_syncobj_replace_fence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O54",))


@replaces(drm_syncobj_replace_fence)
def replace_fence(original: Original, syncobj: DrmSyncobj, fence: DmaFence | None) -> None:
    original(syncobj, None if fence is None else dma_fence_chain_contained(fence))
