# SPDX-License-Identifier: MIT
"""The flags tested are those of page-table entries, where PRT's bit means executable (F17, a backport to 6.17)."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import unmap_may_be_explicit
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("B10",))


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    return original(vm, bo, mapping) or bool(mapping.flags & drm.AMDGPU_VM_PAGE_EXECUTABLE)
