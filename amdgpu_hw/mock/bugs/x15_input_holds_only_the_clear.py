# SPDX-License-Identifier: MIT
"""Input fences hold up the clear of a REPLACE only, so that a MAP starts at once."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import sync_of_bo_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B25",))


@replaces(sync_of_bo_update)
def bo_update_sync(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> AmdgpuSync:
    inputs, ctx.sync = ctx.sync, AmdgpuSync()
    try:
        return original(ctx, bo_va, clear)
    finally:
        ctx.sync = inputs
