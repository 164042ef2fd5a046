# SPDX-License-Identifier: MIT
"""A bad input fence is found after the mapping tree has changed."""

from __future__ import annotations

import contextlib

from amdgpu_hw.mock.kernel import amdgpu_gem_va
from amdgpu_hw.mock.kernel.amdgpu_gem_va import GemVa
from amdgpu_hw.mock.kernel.amdgpu_vm_update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.drm_file import DrmFile
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B28",))


@replaces(amdgpu_gem_va.amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    try:
        yield from original(ctx, filp, caller, args)
    except KernelError:
        bo = amdgpu_gem_va._lookup_bo(filp, args)
        with contextlib.suppress(KernelError):
            amdgpu_gem_va._amdgpu_gem_va_locked(ctx, filp, bo, args)
        raise
