# SPDX-License-Identifier: MIT
"""The bytes of an array of input fences are counted in 32 bits: of an absurd number of them some are taken.

amdgpu_gem_add_input_fence multiplies with size_mul in 7.3, as memdup_array_user does elsewhere.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_add_input_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B28",))


@replaces(amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    args.num_syncobj_handles = (args.num_syncobj_handles * 4 & 0xFFFF_FFFF) // 4
    yield from original(ctx, filp, caller, args)
