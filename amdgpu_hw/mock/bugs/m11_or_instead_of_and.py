# SPDX-License-Identifier: MIT
"""The freed mappings are OR-ed instead of AND-ed: one that may be explicit makes all so, the flag set or not."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import (
    AmdgpuVmUpdateCtx,
    amdgpu_vm_update_ctx_add_freed_mapping,
    unmap_may_be_explicit,
)
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B05", "B11"))


@replaces(amdgpu_vm_update_ctx_add_freed_mapping)
def add_freed_mapping(
    original: Original, ctx: AmdgpuVmUpdateCtx, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping
) -> None:
    ctx.explicit_sync_unmap |= unmap_may_be_explicit(ctx.vm, bo, mapping)
    ctx.freed.append(mapping)
