# SPDX-License-Identifier: MIT
"""An implicit unmap waits for page-table updates instead of submissions: the modes are swapped."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EXPLICIT, AMDGPU_SYNC_NE_OWNER, SyncMode
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, unmap_mode
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B05", "B07c"))


@replaces(unmap_mode)
def wrong_unmap_mode(original: Original, ctx: AmdgpuVmUpdateCtx) -> SyncMode:
    return AMDGPU_SYNC_EXPLICIT if ctx.explicit_sync_unmap else AMDGPU_SYNC_NE_OWNER
