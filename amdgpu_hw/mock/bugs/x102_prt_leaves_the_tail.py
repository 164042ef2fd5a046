# SPDX-License-Identifier: MIT
"""A PRT mapping ends at the last edge of 2 MiB that is in it."""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry, EntryKind
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import PtesUpdate, amdgpu_vm_ptes_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O16",))


@replaces(amdgpu_vm_ptes_update)
def ptes_update(original: Original, vm: AmdgpuVm, first: int, last: int, entry: Entry) -> PtesUpdate:

    edge = last + 1 & ~511
    if entry.kind is EntryKind.PRT and first < edge:
        last = edge - 1
    write: PtesUpdate = original(vm, first, last, entry)
    return write
