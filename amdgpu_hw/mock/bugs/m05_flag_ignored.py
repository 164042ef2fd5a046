# SPDX-License-Identifier: MIT
"""The flag is accepted but ignored: explicit updates wait for every submission, as all others do."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, SyncMode
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, unmap_mode
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B06", "B07", "B08", "B09", "B12"), slow=True)


@replaces(unmap_mode)
def never_explicit(original: Original, ctx: AmdgpuVmUpdateCtx) -> SyncMode:
    return AMDGPU_SYNC_EQ_OWNER
