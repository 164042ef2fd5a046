# SPDX-License-Identifier: MIT
"""Of a delayed REPLACE the map alone waits for the input fences: what it takes away is cleared by the next submission.

The mended F4 has two places for them, with the buffer for what is mapped and with the address space for what is freed;
an `else` between them. A job that goes on using the old mapping while the input is pending faults, or reads zeros.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import leave_to_later_update
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VA_OP_REPLACE

BUG = Bug(caught_by=("B31",))


@replaces(leave_to_later_update)
def leave(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> None:
    freed = ctx.freed
    if operation == AMDGPU_VA_OP_REPLACE:
        ctx.freed = []
    try:
        original(ctx, bo_va, operation)
    finally:
        ctx.freed = freed
