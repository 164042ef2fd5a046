# SPDX-License-Identifier: MIT
"""The timeout of a wait for syncobjs is taken for a time from now, not for an absolute one."""

from __future__ import annotations

import time
from collections.abc import Sequence

from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj
from amdgpu_hw.mock.kernel.drm.drm_syncobj.wait import drm_syncobj_array_wait
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T15",), slow=True)


@replaces(drm_syncobj_array_wait)
def array_wait(
    original: Original,
    syncobjs: list[DrmSyncobj],
    points: Sequence[int],
    flags: int,
    timeout_nsec: int,
    deadline_nsec: int,
) -> int | Blocking[int]:
    relative = timeout_nsec + time.monotonic_ns() if timeout_nsec > 0 else timeout_nsec
    return original(syncobjs, points, flags, relative, deadline_nsec)
