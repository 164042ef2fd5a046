# SPDX-License-Identifier: MIT
"""What a submission clears, because its buffer moved and could not be locked, goes at once."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, sync_of_update
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import sync_of_bo_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B43a",), parameters={"debug_mask": 1})


@replaces(sync_of_bo_update)
def bo_update_sync(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> AmdgpuSync:
    sync: AmdgpuSync = sync_of_update(ctx) if clear else original(ctx, bo_va, clear)
    return sync
