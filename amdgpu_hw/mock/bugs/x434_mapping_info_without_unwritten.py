# SPDX-License-Identifier: MIT
"""GET_MAPPING_INFO does not tell of mappings that no update has written yet.

amdgpu_gem_op_ioctl goes through the buffer's valids and not through its invalids. After a delayed MAP, or a delayed
CLEAR of a part, what the ioctl counts and lists is less than what is mapped.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.gem import _mapping_info
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("P01", "P03"))


@replaces(_mapping_info)
def mapping_info(original: Original, bo_va: AmdgpuBoVa) -> list[bytes]:
    invalids, bo_va.invalids = bo_va.invalids, {}
    try:
        entries: list[bytes] = original(bo_va)
    finally:
        bo_va.invalids = invalids
    return entries
