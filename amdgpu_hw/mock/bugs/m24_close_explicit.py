# SPDX-License-Identifier: MIT
"""GEM_CLOSE unmaps explicitly: the memory is free for others while the GPU uses it."""

from __future__ import annotations

from amdgpu_hw.mock.kernel import amdgpu_vm
from amdgpu_hw.mock.kernel.amdgpu_vm_types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu_vm_update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B39",))


@replaces(amdgpu_vm.amdgpu_vm_bo_del)
def bo_del(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa) -> None:
    original(ctx, bo_va)
    ctx.explicit_sync_unmap = True
