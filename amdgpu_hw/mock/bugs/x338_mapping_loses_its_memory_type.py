# SPDX-License-Identifier: MIT
"""A mapping keeps the bits for access and PRT alone: its MTYPE and NOALLOC are lost.

Taking DELAY_UPDATE and EXPLICIT_SYNC off what a mapping keeps (F11) with a mask of what is known instead of what is to
go. The page-table entries are then those of the default memory type.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import kept_flags
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("O85",))

_KNOWN = (
    drm.AMDGPU_VM_PAGE_READABLE | drm.AMDGPU_VM_PAGE_WRITEABLE | drm.AMDGPU_VM_PAGE_EXECUTABLE | drm.AMDGPU_VM_PAGE_PRT
)


@replaces(kept_flags)
def kept(original: Original, adev: AmdgpuDevice, flags: int) -> int:
    return int(original(adev, flags)) & _KNOWN
