# SPDX-License-Identifier: MIT
"""Of the buffers whose mappings an operation cuts, the first one's remnants alone are written in time."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import update_remnants
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O20",))


@replaces(update_remnants)
def remnants(original: Original, ctx: AmdgpuVmUpdateCtx) -> None:
    for bo_va in list(ctx.split)[1:]:
        del ctx.split[bo_va]
    original(ctx)
