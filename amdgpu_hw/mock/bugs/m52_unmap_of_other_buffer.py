# SPDX-License-Identifier: MIT
"""UNMAP looks at the address only, not at whose mapping is there."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_unmap
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SHIFT, AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T02",))


@replaces(amdgpu_vm_bo_unmap)
def bo_unmap(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, saddr: int) -> None:
    mapping = ctx.vm.va.starting_at(saddr >> AMDGPU_GPU_PAGE_SHIFT)
    whose = mapping.bo_va if mapping is not None else None
    original(ctx, whose or bo_va, saddr)
