# SPDX-License-Identifier: MIT
"""A file that has reserved no VMID gives back the one that another file has, when it is closed or asks for it.

amdgpu_vmid_free_reserved counted users of the hub's VMID and did not know whose they were; since 7.3 it looks at the
address space's own.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import amdgpu_vmid_free_reserved
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O75",))


@replaces(amdgpu_vmid_free_reserved)
def free_reserved(original: Original, adev: AmdgpuDevice, vm: AmdgpuVm, vm_hub: int) -> None:
    for owner in list(adev.id_mgr[vm_hub].reserved):
        original(adev, owner, vm_hub)
