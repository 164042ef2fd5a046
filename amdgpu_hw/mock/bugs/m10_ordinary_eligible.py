# SPDX-License-Identifier: MIT
"""Ordinary buffers, which can be freed under the GPU, may be unmapped explicitly as well."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import unmap_may_be_explicit
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B10", "B11"))


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    return True
