# SPDX-License-Identifier: MIT
"""An update that changes nothing itself counts its input fences as waited for when it has carried a backlog out.

amdgpu_gem_va_update_vm merges input fences that no page-table job carries into the update fence. It went by whether any
job was made, and that of amdgpu_vm_delayed_free has a context of its own. After a delayed UNMAP, the update fence of a
CLEAR of nothing signals although an input of it is pending.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_delayed_free
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B30",))


@replaces(amdgpu_vm_delayed_free)
def delayed_free(original: Original, ctx: AmdgpuVmUpdateCtx) -> DmaFence | None:
    fence: DmaFence | None = original(ctx)
    ctx.inputs_carried |= fence is not None
    return fence
