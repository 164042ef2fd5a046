# SPDX-License-Identifier: MIT
"""What is left behind a cut in the middle of a mapping has the offset that it would have if that began with its BO."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import split_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("P01",))


@replaces(split_mapping)
def wrong_split_mapping(
    original: Original, ctx: AmdgpuVmUpdateCtx, mapping: AmdgpuBoVaMapping, first: int, last: int
) -> None:
    original(ctx, mapping, first, last)
    behind = ctx.vm.va.starting_at(last + 1)
    if mapping.start < first and mapping.last > last and behind is not None:
        behind.offset -= mapping.offset
