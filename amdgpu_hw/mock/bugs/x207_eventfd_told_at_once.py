# SPDX-License-Identifier: MIT
"""An eventfd is told of a point as soon as it is submitted, though it was to be told when it has signalled."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj
from amdgpu_hw.mock.kernel.drm.drm_syncobj.wait import _EventfdEntry
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O56",))


@replaces(_EventfdEntry.fence_added)
def fence_added(original: Original, self: _EventfdEntry, syncobj: DrmSyncobj) -> bool:
    self.available = True
    told: bool = original(self, syncobj)
    return told
