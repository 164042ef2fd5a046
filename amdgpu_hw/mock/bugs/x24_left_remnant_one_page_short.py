# SPDX-License-Identifier: MIT
"""The left part of a cut mapping ends one page early."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import split_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B38", "T06"))


@replaces(split_mapping)
def wrong_split_mapping(
    original: Original, ctx: AmdgpuVmUpdateCtx, mapping: AmdgpuBoVaMapping, first: int, last: int
) -> None:
    original(ctx, mapping, first, last)
    left = ctx.vm.va.starting_at(mapping.start)
    if left is not None and left is not mapping and left.last > left.start:
        left.last -= 1
