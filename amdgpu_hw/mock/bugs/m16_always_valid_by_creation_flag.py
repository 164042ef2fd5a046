# SPDX-License-Identifier: MIT
"""Always-valid is what a buffer was created as, not whether it belongs to this address space."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import unmap_may_be_explicit
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=(), equivalent="an always-valid buffer cannot get into another address space")


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    created_so = bo is not None and bool(bo.flags & drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID)
    return created_so or bool(mapping.flags & drm.AMDGPU_VM_PAGE_PRT)
