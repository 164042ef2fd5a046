# SPDX-License-Identifier: MIT
"""An input fence is not waited for if it is the timeline that gets the update fence as its next point.

"A new point comes after those before it, so there is nothing to wait for" in amdgpu_gem_add_input_fence. It is true of
the point, and not of the page tables: a queue of binds that waits for and signals one timeline maps and unmaps too
early.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_add_input_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_find
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O21",))


@replaces(amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    yield from original(ctx, filp, caller, args)
    timeline = drm_syncobj_find(filp, args.vm_timeline_syncobj_out) if args.vm_timeline_point else None
    if timeline is None:
        return
    found, ctx.sync = ctx.sync, AmdgpuSync()
    for fence in found:
        if fence is not timeline.fence:
            ctx.sync.fence(fence)
