# SPDX-License-Identifier: MIT
"""GEM_CLOSE of a buffer with several mappings takes one of them away; the entries of the others stay."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_del
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O32",))


@replaces(amdgpu_vm_bo_del)
def bo_del(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa) -> None:
    before = len(ctx.freed)
    original(ctx, bo_va)
    del ctx.freed[before + 1 :]
