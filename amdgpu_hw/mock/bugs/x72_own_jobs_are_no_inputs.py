# SPDX-License-Identifier: MIT
"""An explicit update drops those of its input fences that are fences of its own address space's jobs."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_add_input_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync, amdgpu_sync_get_owner
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O21",))


@replaces(amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    yield from original(ctx, filp, caller, args)
    if ctx.explicit_sync_unmap:
        collected, ctx.sync = ctx.sync, AmdgpuSync()
        for fence in collected:
            if amdgpu_sync_get_owner(fence) is not ctx.vm:
                ctx.sync.fence(fence)
