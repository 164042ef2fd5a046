# SPDX-License-Identifier: MIT
"""Ordinary buffers, which can be freed under the GPU, may be unmapped explicitly as well."""

from __future__ import annotations

from amdgpu_hw.mock.kernel import amdgpu_vm_update_ctx
from amdgpu_hw.mock.kernel.amdgpu_object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu_vm_types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B10", "B11"))


@replaces(amdgpu_vm_update_ctx.amdgpu_vm_unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    return True
