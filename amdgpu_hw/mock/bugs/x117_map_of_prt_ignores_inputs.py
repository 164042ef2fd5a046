# SPDX-License-Identifier: MIT
"""MAP of PRT does not wait for its input fences."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import sync_of_bo_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O21",))


@replaces(sync_of_bo_update)
def sync_of(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> AmdgpuSync:
    sync: AmdgpuSync = original(ctx, bo_va, clear)
    return AmdgpuSync() if bo_va.bo is None else sync
