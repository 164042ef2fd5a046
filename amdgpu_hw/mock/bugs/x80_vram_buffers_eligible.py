# SPDX-License-Identifier: MIT
"""Buffers in VRAM count as memory that an explicit unmap may take away under the GPU."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import unmap_may_be_explicit
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TTM_PL_VRAM
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O14",))


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:

    in_vram = bo is not None and bo.resource.mem_type == TTM_PL_VRAM
    return original(vm, bo, mapping) or in_vram
