# SPDX-License-Identifier: MIT
"""An eventfd that was to be told when a point is there is told when it has signalled.

syncobj_eventfd_entry_func looks at whether the fence is signalled, and no more at
DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE. A compositor that waits until its client has submitted hears of it when the
client's job is done.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj
from amdgpu_hw.mock.kernel.drm.drm_syncobj.wait import _EventfdEntry
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O56",))


@replaces(_EventfdEntry.fence_added)
def fence_added(original: Original, self: _EventfdEntry, syncobj: DrmSyncobj) -> bool:
    self.available = False
    told: bool = original(self, syncobj)
    return told
