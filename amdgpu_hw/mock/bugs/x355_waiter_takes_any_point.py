# SPDX-License-Identifier: MIT
"""A wait for a point that is not there yet takes the next point that is added, also an earlier one.

syncobj_wait_syncobj_func from before there were timelines: it takes the syncobj's fence as it is.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj, SyncobjWaitEntry
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O55",))


@replaces(SyncobjWaitEntry.fence_added)
def fence_added(original: Original, self: SyncobjWaitEntry, syncobj: DrmSyncobj) -> bool:
    self.fence = syncobj.fence
    if self.fence is None:
        return False
    self.queue.wake_all()
    return True
