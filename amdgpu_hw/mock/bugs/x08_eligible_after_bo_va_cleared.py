# SPDX-License-Identifier: MIT
"""CLEAR and REPLACE look at a mapping's buffer after they have forgotten it: only PRT may be explicit."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_clear_mappings
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, unmap_may_be_explicit
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B06", "B07"), slow=True)

_in_clear = False


@replaces(amdgpu_vm_bo_clear_mappings)
def clear_mappings(original: Original, ctx: AmdgpuVmUpdateCtx, saddr: int, size: int) -> None:
    global _in_clear
    _in_clear = True
    try:
        original(ctx, saddr, size)
    finally:
        _in_clear = False


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    return original(vm, None if _in_clear else bo, mapping)
