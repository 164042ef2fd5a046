# SPDX-License-Identifier: MIT
"""With a point the update fence replaces the timeline instead of joining it."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import _install_out_fence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj, drm_syncobj_replace_fence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T10",))


@replaces(_install_out_fence)
def install_out_fence(original: Original, syncobj: DrmSyncobj, point: int, fence: DmaFence) -> None:
    drm_syncobj_replace_fence(syncobj, None)
    original(syncobj, point, fence)
