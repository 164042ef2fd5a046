# SPDX-License-Identifier: MIT
"""A delayed MAP counts as written: no submission writes it."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import leave_to_later_update
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T12",))


@replaces(leave_to_later_update)
def delay(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> None:
    original(ctx, bo_va, operation)
    if bo_va is not None:
        bo_va.valids |= bo_va.invalids
        bo_va.invalids = {}
        ctx.vm.moved.pop(bo_va, None)
