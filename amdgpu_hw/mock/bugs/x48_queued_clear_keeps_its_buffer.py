# SPDX-License-Identifier: MIT
"""A buffer that is closed with page-table jobs of its address space queued is never freed."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_del
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("D01",), slow=True)


@replaces(amdgpu_vm_bo_del)
def bo_del(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa) -> None:
    if bo_va.bo is not None and not ctx.vm.delayed.is_idle:
        bo_va.bo.get()
    original(ctx, bo_va)
