# SPDX-License-Identifier: MIT
"""Every twentieth explicit unmap waits, as a race in the check would make it."""

from __future__ import annotations

import itertools

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, AMDGPU_SYNC_EXPLICIT, SyncMode
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, unmap_mode
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B06",))

_count = itertools.count(1)
_RARELY = 20


@replaces(unmap_mode)
def wrong_unmap_mode(original: Original, ctx: AmdgpuVmUpdateCtx) -> SyncMode:
    mode: SyncMode = original(ctx)
    if mode is AMDGPU_SYNC_EXPLICIT and next(_count) % _RARELY == 0:
        return AMDGPU_SYNC_EQ_OWNER
    return mode
