# SPDX-License-Identifier: MIT
"""With debug_vm an update that has an update fence is left to the next submission, while the fence says it is done.

amdgpu_gem_va_ioctl of 6.16 to 6.18 left all updates, and their syncobjs empty; mended by 7.3, where an update that has
a syncobj is carried out at once.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm, leave_to_later_update
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B05",), parameters={"debug_mask": 1})


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    if ctx.adev.debug_vm:
        leave_to_later_update(ctx, bo_va, operation)
        return ctx.vm.last_update
    fence: DmaFence = original(ctx, bo_va, operation)
    return fence
