# SPDX-License-Identifier: MIT
"""Taking a part out of a mapping waits for nothing, and what is left is written by the next submission."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EXPLICIT, SyncMode
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, unmap_mode
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B36c",), variant={"rewrites_remnants_first": False})


@replaces(unmap_mode)
def wrong_unmap_mode(original: Original, ctx: AmdgpuVmUpdateCtx) -> SyncMode:
    mode: SyncMode = AMDGPU_SYNC_EXPLICIT if ctx.split else original(ctx)
    return mode
