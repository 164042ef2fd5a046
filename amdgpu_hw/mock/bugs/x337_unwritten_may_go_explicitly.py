# SPDX-License-Identifier: MIT
"""What no update has written counts as what may go explicitly: the remnants of a delayed cut are on that list as well.

A shortcut in amdgpu_vm_bo_clear_mappings: "nothing of it is in the page tables, so there is nothing to wait for". But a
remnant's entries are those of the mapping that it was cut from, and stay until they are written anew.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_clear_mappings
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SHIFT, AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, amdgpu_vm_update_ctx_add_freed_mapping
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O14",))

_unwritten: set[AmdgpuBoVaMapping] = set()


@replaces(amdgpu_vm_bo_clear_mappings)
def clear_mappings(original: Original, ctx: AmdgpuVmUpdateCtx, saddr: int, size: int) -> None:
    first, last = saddr >> AMDGPU_GPU_PAGE_SHIFT, (saddr + size - 1) >> AMDGPU_GPU_PAGE_SHIFT
    for mapping in ctx.vm.va.overlapping(first, last):
        if mapping.bo_va is not None and mapping in mapping.bo_va.invalids:
            _unwritten.add(mapping)
    try:
        original(ctx, saddr, size)
    finally:
        _unwritten.clear()


@replaces(amdgpu_vm_update_ctx_add_freed_mapping)
def add_freed_mapping(
    original: Original, ctx: AmdgpuVmUpdateCtx, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping
) -> None:
    if mapping in _unwritten:
        ctx.freed.append(mapping)
    else:
        original(ctx, bo, mapping)
