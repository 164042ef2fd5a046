# SPDX-License-Identifier: MIT
"""REPLACE of exactly what is mapped skips the clear, and with it the waiting."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_replace_map
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SHIFT, AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B05", "B08c"))


@replaces(amdgpu_vm_bo_replace_map)
def replace_map(
    original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, saddr: int, offset: int, size: int, flags: int
) -> None:
    original(ctx, bo_va, saddr, offset, size, flags)
    first, pages = saddr >> AMDGPU_GPU_PAGE_SHIFT, size >> AMDGPU_GPU_PAGE_SHIFT
    if [(mapping.start, mapping.last) for mapping in ctx.freed] == [(first, first + pages - 1)]:
        ctx.freed.clear()
