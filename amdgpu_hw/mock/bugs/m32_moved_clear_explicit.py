# SPDX-License-Identifier: MIT
"""What is cleared because its buffer moved honours the buffer's own EXPLICIT_SYNC flag."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu import amdgpu_sync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EXPLICIT, AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, sync_of_update
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import sync_of_bo_update
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("O13",))


@replaces(sync_of_bo_update)
def bo_update_sync(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> AmdgpuSync:
    if not clear or bo_va.bo is None or not bo_va.bo.flags & drm.AMDGPU_GEM_CREATE_EXPLICIT_SYNC:
        return original(ctx, bo_va, clear)
    sync = sync_of_update(ctx)
    amdgpu_sync.amdgpu_sync_resv(ctx.adev, sync, bo_va.vm.root_resv, AMDGPU_SYNC_EXPLICIT, bo_va.vm)
    return sync
