# SPDX-License-Identifier: MIT
"""MAP of an ordinary buffer waits for jobs of its own address space that list the buffer, unless it has the flag.

amdgpu_vm_bo_update with the mode of the update context, AMDGPU_SYNC_EQ_OWNER in place of AMDGPU_SYNC_EXPLICIT, on the
buffer's own reservation object. A second mapping of a buffer that a job in flight uses is not there before the job
ends: its update fence stays pending.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu import amdgpu_sync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import (
    AmdgpuVmUpdateCtx,
    amdgpu_vm_is_bo_always_valid,
    unmap_mode,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import sync_of_bo_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B16",))


@replaces(sync_of_bo_update)
def bo_update_sync(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> AmdgpuSync:
    sync: AmdgpuSync = original(ctx, bo_va, clear)
    vm, bo = bo_va.vm, bo_va.bo
    if bo is not None and not clear and not amdgpu_vm_is_bo_always_valid(vm, bo):
        amdgpu_sync.amdgpu_sync_resv(ctx.adev, sync, bo.resv, unmap_mode(ctx), vm)
    return sync
