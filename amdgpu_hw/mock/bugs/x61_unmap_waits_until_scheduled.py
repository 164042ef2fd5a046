# SPDX-License-Identifier: MIT
"""An unmap waits until submissions have been scheduled, not until they are done."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, AmdgpuSync, amdgpu_sync_resv
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import (
    AmdgpuVmUpdateCtx,
    amdgpu_vm_update_ctx_ensure_unmap_synced,
    unmap_mode,
)
from amdgpu_hw.mock.kernel.scheduler.sched_fence import to_drm_sched_fence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O15c",))


@replaces(amdgpu_vm_update_ctx_ensure_unmap_synced)
def ensure_unmap_synced(original: Original, ctx: AmdgpuVmUpdateCtx, sync: AmdgpuSync) -> None:
    if unmap_mode(ctx) is not AMDGPU_SYNC_EQ_OWNER:
        original(ctx, sync)
        return
    found = AmdgpuSync()
    amdgpu_sync_resv(ctx.adev, found, ctx.vm.root_resv, AMDGPU_SYNC_EQ_OWNER, ctx.vm)
    for fence in found:
        s_fence = to_drm_sched_fence(fence)
        sync.fence(s_fence.scheduled if s_fence is not None else fence)
