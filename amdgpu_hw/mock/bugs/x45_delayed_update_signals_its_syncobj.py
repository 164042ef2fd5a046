# SPDX-License-Identifier: MIT
"""A delayed update takes a syncobj for its update fence, and signals that before it is carried out."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_update_timeline_node
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import dma_fence_get_stub
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj, drm_syncobj_replace_fence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B32a",), variant={"rejects_delay_with_syncobj": False})


@replaces(amdgpu_gem_update_timeline_node)
def update_timeline_node(original: Original, filp: DrmFile, handle: int) -> DrmSyncobj:
    syncobj: DrmSyncobj = original(filp, handle)
    if syncobj.fence is None:
        drm_syncobj_replace_fence(syncobj, dma_fence_get_stub())
    return syncobj
