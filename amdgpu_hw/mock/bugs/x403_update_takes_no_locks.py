# SPDX-License-Identifier: MIT
"""An update goes ahead although a submission that sleeps has the root directory locked."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, _operate_locked, operate_sleeping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O97",))


@replaces(operate_sleeping)
def operate(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, bo: AmdgpuBo | None, args: GemVa
) -> Blocking[int]:
    if args.num_syncobj_handles or ctx.vm.use_cpu_for_update:
        return (yield from original(ctx, filp, caller, bo, args))
    return _operate_locked(ctx, filp, bo, args)
