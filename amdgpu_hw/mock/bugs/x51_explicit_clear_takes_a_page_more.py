# SPDX-License-Identifier: MIT
"""An explicit CLEAR that ends inside a mapping takes one page more of it."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_clear_mappings, amdgpu_vm_bo_lookup_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SHIFT, AMDGPU_GPU_PAGE_SIZE
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("P02",))


@replaces(amdgpu_vm_bo_clear_mappings)
def clear_mappings(original: Original, ctx: AmdgpuVmUpdateCtx, saddr: int, size: int) -> None:
    behind = amdgpu_vm_bo_lookup_mapping(ctx.vm, saddr + size >> AMDGPU_GPU_PAGE_SHIFT)
    cuts = behind is not None and behind.start << AMDGPU_GPU_PAGE_SHIFT < saddr + size
    original(ctx, saddr, size + AMDGPU_GPU_PAGE_SIZE if cuts and ctx.explicit_sync_unmap else size)
