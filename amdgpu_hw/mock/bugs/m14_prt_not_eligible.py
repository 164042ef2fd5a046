# SPDX-License-Identifier: MIT
"""PRT mappings, which have no memory, are not unmapped explicitly."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import (
    amdgpu_vm_is_bo_always_valid,
    unmap_may_be_explicit,
)
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B08", "B09", "B12"))


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    return amdgpu_vm_is_bo_always_valid(vm, bo)
