# SPDX-License-Identifier: MIT
"""A bad input fence is found after the mapping tree has changed."""

from __future__ import annotations

import contextlib

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import (
    GemVa,
    _lookup_bo,
    _operate_locked,
    amdgpu_gem_add_input_fence,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B28",))


@replaces(amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    try:
        yield from original(ctx, filp, caller, args)
    except KernelError:
        bo = _lookup_bo(filp, args)
        with contextlib.suppress(KernelError):
            _operate_locked(ctx, filp, bo, args)
        raise
