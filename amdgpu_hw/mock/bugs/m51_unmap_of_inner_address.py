# SPDX-License-Identifier: MIT
"""UNMAP accepts an address inside a mapping."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import find_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuBoVaMapping
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T02",))


@replaces(find_mapping)
def wrong_find_mapping(original: Original, bo_va: AmdgpuBoVa, first: int) -> AmdgpuBoVaMapping | None:
    mapping = bo_va.vm.va.iter_first(first, first)
    return mapping if mapping is not None and mapping.bo_va is bo_va else None
