# SPDX-License-Identifier: MIT
"""A PRT mapping is a valid one of memory, that of the lowest mapping."""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import AMDGPU_PTE_READABLE, AMDGPU_PTE_WRITEABLE, Entry, EntryKind
from amdgpu_hw.mock.kernel.amdgpu import amdgpu_vm_pt
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("T08", "O84"), slow=True)


@replaces(amdgpu_vm_pt.entry_of_mapping)
def get_vm_pte(original: Original, adev: AmdgpuDevice, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> Entry:
    if not mapping.flags & drm.AMDGPU_VM_PAGE_PRT or mapping.bo_va is None:
        return original(adev, bo, mapping)
    buffers = (other.bo_va.bo for other in mapping.bo_va.vm.va.in_order() if other.bo_va is not None)
    address = next((buffer.address for buffer in buffers if buffer is not None), 0)
    return Entry(EntryKind.VALID, address, AMDGPU_PTE_READABLE | AMDGPU_PTE_WRITEABLE)
