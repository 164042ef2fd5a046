# SPDX-License-Identifier: MIT
"""A wait until a point is there ends with EINVAL where the point is not there yet."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj
from amdgpu_hw.mock.kernel.drm.drm_syncobj.wait import drm_syncobj_array_wait
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.drm import DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE

BUG = Bug(caught_by=("T15",))


@replaces(drm_syncobj_array_wait)
def array_wait(
    original: Original,
    syncobjs: list[DrmSyncobj],
    points: Sequence[int],
    flags: int,
    timeout_nsec: int,
    deadline_nsec: int,
) -> int | Blocking[int]:
    flags &= ~DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
    result: int | Blocking[int] = original(syncobjs, points, flags, timeout_nsec, deadline_nsec)
    return result
