# SPDX-License-Identifier: MIT
"""REPLACE by the same pages of the same buffer does nothing, although other rights are asked for.

An optimisation of amdgpu_vm_bo_replace_map for drivers that bind a sparse page again and again: it compares buffer,
offset and range, and not the flags.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_replace_map, amdgpu_vm_verify_parameters
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SHIFT, AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O58",))


@replaces(amdgpu_vm_bo_replace_map)
def replace_map(
    original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, saddr: int, offset: int, size: int, flags: int
) -> None:
    amdgpu_vm_verify_parameters(ctx.adev, bo_va.bo, saddr, offset, size)
    there = ctx.vm.va.starting_at(saddr >> AMDGPU_GPU_PAGE_SHIFT)
    last = (saddr + size - 1) >> AMDGPU_GPU_PAGE_SHIFT
    same = there is not None and there.bo_va is bo_va and there.last == last and there.offset == offset
    if bo_va.bo is None or not same:
        original(ctx, bo_va, saddr, offset, size, flags)
