# SPDX-License-Identifier: MIT
"""The number of pages of a mapping is kept in 20 bits: a PRT mapping of 4 GiB gets no entries."""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import PtesUpdate, amdgpu_vm_ptes_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O16",))


@replaces(amdgpu_vm_ptes_update)
def ptes_update(original: Original, vm: AmdgpuVm, first: int, last: int, entry: Entry) -> PtesUpdate:
    count = last + 1 - first & (1 << 20) - 1
    write: PtesUpdate = original(vm, first, last, entry)
    if count:
        write.last = first + count - 1
        return write
    # The loop over the pages is never entered: one page that had an entry gets it again.
    return PtesUpdate(vm.page_table, first, first, entry)
