# SPDX-License-Identifier: MIT
"""Entries of a PRT mapping of 2 MiB or more begin at the multiple of 2 MiB before it."""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry, EntryKind
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import PtesUpdate, amdgpu_vm_ptes_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O18",))


@replaces(amdgpu_vm_ptes_update)
def ptes_update(original: Original, vm: AmdgpuVm, first: int, last: int, entry: Entry) -> PtesUpdate:

    if entry.kind is EntryKind.PRT and last - first >= 511:
        first &= ~511
    write: PtesUpdate = original(vm, first, last, entry)
    return write
