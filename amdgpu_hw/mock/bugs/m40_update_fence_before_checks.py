# SPDX-License-Identifier: MIT
"""The update fence is in its syncobj before the operation is checked: one that fails changes it."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, _operate_locked
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_find, drm_syncobj_replace_fence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B29", "T10"))


@replaces(_operate_locked)
def locked(original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, bo: AmdgpuBo | None, args: GemVa) -> int:
    syncobj = drm_syncobj_find(filp, args.vm_timeline_syncobj_out)
    if syncobj is not None:
        drm_syncobj_replace_fence(syncobj, ctx.vm.last_update)
    return original(ctx, filp, bo, args)
