# SPDX-License-Identifier: MIT
"""What a REPLACE by PRT takes away counts as PRT: the new mapping is asked, not the old one."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_replace_map
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VM_PAGE_PRT

BUG = Bug(caught_by=("O14",))


@replaces(amdgpu_vm_bo_replace_map)
def replace_map(
    original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, saddr: int, offset: int, size: int, flags: int
) -> None:
    explicit = ctx.explicit_sync_unmap
    original(ctx, bo_va, saddr, offset, size, flags)
    if flags & AMDGPU_VM_PAGE_PRT:
        ctx.explicit_sync_unmap = explicit
