# SPDX-License-Identifier: MIT
"""Nobody notes in the address space that an always-valid buffer was evicted: its entries stay."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_invalidate, amdgpu_vm_is_bo_always_valid
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O57",))


@replaces(amdgpu_vm_bo_invalidate)
def invalidate(original: Original, bo: AmdgpuBo, evicted: bool) -> None:
    if not any(amdgpu_vm_is_bo_always_valid(vm, bo) for vm in bo.vm_bo):
        original(bo, evicted)
