# SPDX-License-Identifier: MIT
"""A PRT mapping is an empty entry: access faults."""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry
from amdgpu_hw.mock.kernel.amdgpu import amdgpu_vm_pt
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("T08", "O84"))


@replaces(amdgpu_vm_pt.entry_of_mapping)
def get_vm_pte(original: Original, adev: AmdgpuDevice, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> Entry:
    if mapping.flags & drm.AMDGPU_VM_PAGE_PRT:
        return amdgpu_vm_pt.NO_ENTRY
    return original(adev, bo, mapping)
