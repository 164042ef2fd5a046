# SPDX-License-Identifier: MIT
"""An explicit update that finds a lock taken waits for every submission, as all others do.

The loop of drm_exec starts again on contention, and amdgpu_vm_update_ctx_init moved into it, behind where the flag was
looked at. Whoever unmaps explicitly while a submission of another thread sleeps with the locks gets an update fence
that stays pending until the jobs are done.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, operate_sleeping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B05",))


@replaces(operate_sleeping)
def operate(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, bo: AmdgpuBo | None, args: GemVa
) -> Blocking[int]:
    if ctx.vm.root_resv.locked or (bo is not None and bo.resv.locked):
        ctx.explicit_sync_unmap = False
    return (yield from original(ctx, filp, caller, bo, args))
