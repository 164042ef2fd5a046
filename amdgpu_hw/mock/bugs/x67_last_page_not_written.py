# SPDX-License-Identifier: MIT
"""Entries of the last page of the address space are never written."""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import PtesUpdate, amdgpu_vm_ptes_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O17",))


@replaces(amdgpu_vm_ptes_update)
def ptes_update(original: Original, vm: AmdgpuVm, first: int, last: int, entry: Entry) -> PtesUpdate:
    manager, variant = vm.adev.vm_manager, vm.adev.variant
    write: PtesUpdate = original(vm, first, last, entry)
    if first == last == manager.max_pfn - (variant.va_reserved_top >> 12) - 1:
        write.first = write.last = last - 1
    return write
