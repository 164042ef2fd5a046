# SPDX-License-Identifier: MIT
"""The entries of a buffer that only the CPU reaches are valid, and point where its memory would be in GTT.

amdgpu_ttm_tt_pde_flags leaves AMDGPU_PTE_VALID out for TTM_PL_SYSTEM.
"""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import AMDGPU_PTE_READABLE, Entry, EntryKind
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import entry_of_mapping
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O95",))


@replaces(entry_of_mapping)
def entry(original: Original, adev: AmdgpuDevice, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> Entry:
    right: Entry = original(adev, bo, mapping)
    if bo is None or bo.gpu_accessible:
        return right
    return Entry(EntryKind.VALID, bo.resource.address + mapping.offset, AMDGPU_PTE_READABLE)
