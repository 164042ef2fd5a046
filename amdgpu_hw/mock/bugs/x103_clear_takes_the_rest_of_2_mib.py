# SPDX-License-Identifier: MIT
"""Zeroing entries up to one page before an edge of 2 MiB goes up to the edge."""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry, EntryKind
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import PtesUpdate, amdgpu_vm_ptes_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O19",))


@replaces(amdgpu_vm_ptes_update)
def ptes_update(original: Original, vm: AmdgpuVm, first: int, last: int, entry: Entry) -> PtesUpdate:

    if entry.kind is EntryKind.NONE and last & 511 == 510:
        last += 1
    write: PtesUpdate = original(vm, first, last, entry)
    return write
