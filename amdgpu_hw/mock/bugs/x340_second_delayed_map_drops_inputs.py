# SPDX-License-Identifier: MIT
"""The input fences of a delayed MAP take the place of those of the delayed MAP before it.

The mended F4 keeps the fences with the BO until an update carries them: assigned where they should be added. One
delayed MAP of a buffer works, two are needed to see it.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import leave_to_later_update
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VA_OP_MAP

BUG = Bug(caught_by=("B31",))


@replaces(leave_to_later_update)
def leave(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> None:
    if bo_va is not None and ctx.sync and operation == AMDGPU_VA_OP_MAP:
        bo_va.delayed_inputs = None
    original(ctx, bo_va, operation)
