# SPDX-License-Identifier: MIT
"""A point that is added to a timeline does not wait for the older ones."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj, drm_syncobj_add_point
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T10",))


@replaces(drm_syncobj_add_point)
def add_point(original: Original, syncobj: DrmSyncobj, fence: DmaFence, point: int) -> None:
    syncobj.fence = None
    original(syncobj, fence, point)
