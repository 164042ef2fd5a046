# SPDX-License-Identifier: MIT
"""What is left of a cut mapping can be read only."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import split_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VM_PAGE_WRITEABLE

BUG = Bug(caught_by=("O36",))


@replaces(split_mapping)
def split(original: Original, ctx: AmdgpuVmUpdateCtx, mapping: AmdgpuBoVaMapping, first: int, last: int) -> None:
    flags = mapping.flags
    mapping.flags &= ~AMDGPU_VM_PAGE_WRITEABLE
    original(ctx, mapping, first, last)
    mapping.flags = flags
