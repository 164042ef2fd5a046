# SPDX-License-Identifier: MIT
"""Buffers without CPU access count as memory that an explicit unmap may take away under the GPU."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import unmap_may_be_explicit
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_CREATE_NO_CPU_ACCESS

BUG = Bug(caught_by=("O14",))


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:

    invisible = bo is not None and bool(bo.flags & AMDGPU_GEM_CREATE_NO_CPU_ACCESS)
    return original(vm, bo, mapping) or invisible
