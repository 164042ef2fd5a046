# SPDX-License-Identifier: MIT
"""CLEAR removes the first mapping in its range only."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_clear_mappings
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SHIFT
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T06",))


@replaces(amdgpu_vm_bo_clear_mappings)
def clear_mappings(original: Original, ctx: AmdgpuVmUpdateCtx, saddr: int, size: int) -> None:
    first, last = saddr >> AMDGPU_GPU_PAGE_SHIFT, (saddr + size - 1) >> AMDGPU_GPU_PAGE_SHIFT
    found = ctx.vm.va.iter_first(first, last)
    if found is not None and not size % (1 << AMDGPU_GPU_PAGE_SHIFT):
        size = (min(found.last, last) + 1 << AMDGPU_GPU_PAGE_SHIFT) - saddr
    original(ctx, saddr, size)
