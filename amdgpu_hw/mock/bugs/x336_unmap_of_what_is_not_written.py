# SPDX-License-Identifier: MIT
"""UNMAP does not find a mapping that no update has written yet.

amdgpu_vm_bo_unmap looks through the BO's valids and then through its invalids; the second loop went with a conflict of
the patch that hands the update context down.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import find_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuBoVaMapping
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("P01",))


@replaces(find_mapping)
def find(original: Original, bo_va: AmdgpuBoVa, first: int) -> AmdgpuBoVaMapping | None:
    mapping: AmdgpuBoVaMapping | None = original(bo_va, first)
    return mapping if mapping is not None and mapping in bo_va.valids else None
