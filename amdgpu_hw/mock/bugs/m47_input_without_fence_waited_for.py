# SPDX-License-Identifier: MIT
"""A syncobj without a fence as input is waited for, up to 5 s."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_add_input_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_find, drm_syncobj_find_fence
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.drm import DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT

BUG = Bug(caught_by=("B28",), slow=True)


@replaces(amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    handles = caller.copy_from_user(args.input_fence_syncobj_handles, 4 * args.num_syncobj_handles)
    for handle in memoryview(handles).cast("I"):
        if drm_syncobj_find(filp, handle) is not None:
            yield from drm_syncobj_find_fence(filp, handle, 0, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT)
    yield from original(ctx, filp, caller, args)
