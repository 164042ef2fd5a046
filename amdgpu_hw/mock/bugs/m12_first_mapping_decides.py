# SPDX-License-Identifier: MIT
"""Only the first mapping that an operation frees decides whether it may be explicit."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, amdgpu_vm_update_ctx_add_freed_mapping
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B11",))


@replaces(amdgpu_vm_update_ctx_add_freed_mapping)
def add_freed_mapping(
    original: Original, ctx: AmdgpuVmUpdateCtx, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping
) -> None:
    if ctx.freed:
        ctx.freed.append(mapping)
    else:
        original(ctx, bo, mapping)
