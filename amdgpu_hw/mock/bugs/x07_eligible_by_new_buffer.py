# SPDX-License-Identifier: MIT
"""What a REPLACE maps decides whether it may be explicit, not what it takes away."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, change_tree
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import (
    AmdgpuVmUpdateCtx,
    amdgpu_vm_is_bo_always_valid,
    unmap_may_be_explicit,
)
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B10", "B08"))

_new: AmdgpuBo | None = None
_has_new = False


@replaces(change_tree)
def operation(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, args: GemVa) -> None:
    global _new, _has_new
    _new, _has_new = (bo_va.bo, True) if bo_va is not None else (None, False)
    original(ctx, bo_va, args)
    _new, _has_new = None, False


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    if not _has_new:
        return original(vm, bo, mapping)
    return _new is None or amdgpu_vm_is_bo_always_valid(vm, _new)
