# SPDX-License-Identifier: MIT
"""Input fences are waited for with the page tables locked: submissions of others stop as well."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_add_input_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_exec import drm_exec_fini, lock_all
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B23a",), slow=True)


@replaces(amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    yield from original(ctx, filp, caller, args)
    locked = yield from lock_all([ctx.vm.root_resv], interruptible=True)
    try:
        yield from ctx.sync.wait(interruptible=True)
    finally:
        drm_exec_fini(locked)
