# SPDX-License-Identifier: MIT
"""An always-valid buffer may go under the GPU only with its last mapping."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import unmap_may_be_explicit
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O14",))


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:

    bo_va = bo.vm_bo.get(vm) if bo is not None else None
    return original(vm, bo, mapping) and not (bo_va is not None and bo_va.valids)
