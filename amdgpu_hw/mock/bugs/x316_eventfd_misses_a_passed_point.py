# SPDX-License-Identifier: MIT
"""An eventfd is never told of a point that the timeline has left behind: there is no fence of it any more.

syncobj_eventfd_entry_func did not expect that dma_fence_chain_find_seqno finds no fence and no error; mended in 6.9.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import dma_fence_get_stub
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj
from amdgpu_hw.mock.kernel.drm.drm_syncobj.wait import _EventfdEntry
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O56",))


@replaces(_EventfdEntry.fence_added)
def fence_added(original: Original, self: _EventfdEntry, syncobj: DrmSyncobj) -> bool:
    if syncobj.find_point(self.point) is dma_fence_get_stub():
        return False
    told: bool = original(self, syncobj)
    return told
