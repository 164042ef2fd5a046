# SPDX-License-Identifier: MIT
"""Only the last mapping that an operation frees decides whether it may be explicit."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, change_tree
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, unmap_may_be_explicit
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B11",))

_last_may_be = True


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    global _last_may_be
    _last_may_be = original(vm, bo, mapping)
    return True


@replaces(change_tree)
def operation(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, args: GemVa) -> None:
    global _last_may_be
    _last_may_be = True
    original(ctx, bo_va, args)
    ctx.explicit_sync_unmap &= _last_may_be
