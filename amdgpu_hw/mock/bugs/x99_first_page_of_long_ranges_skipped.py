# SPDX-License-Identifier: MIT
"""The first page of a range that crosses into another page table is not written."""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import PtesUpdate, amdgpu_vm_ptes_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O16",))


@replaces(amdgpu_vm_ptes_update)
def ptes_update(original: Original, vm: AmdgpuVm, first: int, last: int, entry: Entry) -> PtesUpdate:

    if first >> 9 != last >> 9 and first & 511:
        first += 1
    write: PtesUpdate = original(vm, first, last, entry)
    return write
