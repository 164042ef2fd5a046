# SPDX-License-Identifier: MIT
"""An update that is refused for one of its input fences keeps its buffer: nobody can free that any more.

What error_put_gobj of amdgpu_gem_va_ioctl gives back in 7.3; the path is as old as input fences, 6.16.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, operate_sleeping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O72",))


@replaces(operate_sleeping)
def operate(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, bo: AmdgpuBo | None, args: GemVa
) -> Blocking[int]:
    try:
        return (yield from original(ctx, filp, caller, bo, args))
    except KernelError:
        if bo is not None and args.num_syncobj_handles:
            bo.get()
        raise
