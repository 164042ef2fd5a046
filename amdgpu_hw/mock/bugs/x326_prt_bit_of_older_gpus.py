# SPDX-License-Identifier: MIT
"""On GFX12 a PRT mapping has the bit that says so on older GPUs, and is an empty entry there.

Between 6.1 and 6.12 AMDGPU_PTE_PRT_FLAG came, which knows where the bit is on which GPU.
"""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import NO_ENTRY, entry_of_mapping
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VM_PAGE_PRT

BUG = Bug(caught_by=("T08",), gpu="navi48")

_GFX12 = (12, 0, 0)


@replaces(entry_of_mapping)
def entry(original: Original, adev: AmdgpuDevice, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> Entry:
    if mapping.flags & AMDGPU_VM_PAGE_PRT and adev.identity.gc_version >= _GFX12:
        return NO_ENTRY
    right: Entry = original(adev, bo, mapping)
    return right
