# SPDX-License-Identifier: MIT
"""What is left of a cut mapping is dropped."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import split_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B38", "T06", "T07"))


@replaces(split_mapping)
def wrong_split_mapping(
    original: Original, ctx: AmdgpuVmUpdateCtx, mapping: AmdgpuBoVaMapping, first: int, last: int
) -> None:
    return
