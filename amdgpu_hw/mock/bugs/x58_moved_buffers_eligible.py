# SPDX-License-Identifier: MIT
"""A buffer that has moved counts as always valid if it is as large as one: the list it is on is taken for an owner."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import amdgpu_vm_is_bo_always_valid, unmap_may_be_explicit
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O14",))


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    if original(vm, bo, mapping):
        return True
    moved = next((bo_va for bo_va in vm.invalidated if bo_va.bo is bo), None)
    if moved is None or bo is None:
        return False
    attached = (one.bo_va.bo for one in vm.va.in_order() if one.bo_va is not None)
    return any(
        other is not None and other.size == bo.size and amdgpu_vm_is_bo_always_valid(vm, other) for other in attached
    )
