# SPDX-License-Identifier: MIT
"""QUERY of a timeline says up to which point there are fences, not which of them have signalled."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj
from amdgpu_hw.mock.kernel.drm.drm_syncobj.wait import _query_point
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O54",))


@replaces(_query_point)
def query(original: Original, syncobj: DrmSyncobj, last_submitted: bool) -> int:
    point: int = original(syncobj, True)
    return point
