# SPDX-License-Identifier: MIT
"""GEM_CLOSE leaves the page tables as they are: the GPU goes on reaching memory that is freed."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_del
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B39", "T13"))


@replaces(amdgpu_vm_bo_del)
def bo_del(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa) -> None:
    original(ctx, bo_va)
    ctx.freed.clear()
