# SPDX-License-Identifier: MIT
"""The input fences of an update that a signal ends while it waits for a lock are left to the next one."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, operate_sleeping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.mock.planting_parts import inputs_left_behind, leave_inputs_behind

BUG = Bug(caught_by=("O23",))


NEXT = inputs_left_behind()


@replaces(operate_sleeping)
def wrong_operate_sleeping(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, bo: AmdgpuBo | None, args: GemVa
) -> Blocking[int]:
    try:
        return (yield from original(ctx, filp, caller, bo, args))
    except KernelError as error:
        if error.errno == ERESTARTSYS:
            leave_inputs_behind(ctx)
        raise
