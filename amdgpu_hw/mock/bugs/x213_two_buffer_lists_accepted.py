# SPDX-License-Identifier: MIT
"""A submission that names a BO list and brings another one is not refused: its own is taken."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import _bo_list_of
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O59",))


@replaces(_bo_list_of)
def bo_list_of(original: Original, p: AmdgpuCsParser, handle: int) -> AmdgpuBoList:
    chosen: AmdgpuBoList = original(p, 0 if p.bo_list is not None else handle)
    return chosen
