# SPDX-License-Identifier: MIT
"""Of a cut huge mapping only what is before the cut is written before the directories switch."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import update_remnants
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O20",))


_HUGE = 512


@replaces(update_remnants)
def wrong_update_remnants(original: Original, ctx: AmdgpuVmUpdateCtx) -> None:
    behind_the_cut = [(bo_va, one) for bo_va in ctx.split for one in bo_va.invalids if one.start % _HUGE]
    for bo_va, one in behind_the_cut:
        del bo_va.invalids[one]
    original(ctx)
    for bo_va, one in behind_the_cut:
        bo_va.invalids[one] = None
