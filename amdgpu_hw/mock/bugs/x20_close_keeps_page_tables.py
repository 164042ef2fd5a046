# SPDX-License-Identifier: MIT
"""GEM_CLOSE leaves the page tables as they are: the GPU goes on reaching memory that is freed."""

from __future__ import annotations

from amdgpu_hw.mock.kernel import amdgpu_vm
from amdgpu_hw.mock.kernel.amdgpu_vm_types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu_vm_update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B39", "T13"))


@replaces(amdgpu_vm.amdgpu_vm_bo_del)
def bo_del(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa) -> None:
    original(ctx, bo_va)
    ctx.freed.clear()
