# SPDX-License-Identifier: MIT
"""Of several input fences only the last one is waited for."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_add_input_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_find_fence
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B27",))


@replaces(amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    yield from original(ctx, filp, caller, args)
    last = caller.copy_from_user(args.input_fence_syncobj_handles + 4 * (args.num_syncobj_handles - 1), 4)
    ctx.sync = AmdgpuSync()
    ctx.sync.fence((yield from drm_syncobj_find_fence(filp, int.from_bytes(last, "little"), 0, 0)))
