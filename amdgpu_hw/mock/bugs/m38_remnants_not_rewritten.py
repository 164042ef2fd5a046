# SPDX-License-Identifier: MIT
"""What is left of a cut mapping counts as written: nobody writes it after a huge entry was broken up."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import split_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B36", "B37", "B38"))


@replaces(split_mapping)
def wrong_split_mapping(
    original: Original, ctx: AmdgpuVmUpdateCtx, mapping: AmdgpuBoVaMapping, first: int, last: int
) -> None:
    bo_va = mapping.bo_va
    original(ctx, mapping, first, last)
    if bo_va is not None:
        bo_va.valids |= bo_va.invalids
        bo_va.invalids = {}
        ctx.vm.moved.pop(bo_va, None)
