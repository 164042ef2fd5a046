# SPDX-License-Identifier: MIT
"""Always-valid buffers are not unmapped explicitly."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import unmap_may_be_explicit
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("B06", "B07"), slow=True)


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    return bool(mapping.flags & drm.AMDGPU_VM_PAGE_PRT)
