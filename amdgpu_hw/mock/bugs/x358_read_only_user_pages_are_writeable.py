# SPDX-License-Identifier: MIT
"""The GPU may write to user pages that were registered with READONLY.

amdgpu_ttm_tt_pte_flags takes the right to write away from such a buffer, whatever its mapping says.
"""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import entry_of_mapping
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_USERPTR_READONLY

BUG = Bug(caught_by=("O58",))


@replaces(entry_of_mapping)
def entry(original: Original, adev: AmdgpuDevice, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> Entry:
    pages = bo.user_pages if bo is not None else None
    flags = pages.flags if pages is not None else 0
    if pages is not None:
        pages.flags &= ~AMDGPU_GEM_USERPTR_READONLY
    try:
        result: Entry = original(adev, bo, mapping)
    finally:
        if pages is not None:
            pages.flags = flags
    return result
