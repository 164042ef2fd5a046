# SPDX-License-Identifier: MIT
"""UNRESERVE_VMID gives no VMID back: nobody else can reserve one until the file is closed.

In 6.1 amdgpu_vm_ioctl left early where waiting for the address space to become idle failed; it does not wait since.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import amdgpu_vmid_free_reserved
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O75",))


@replaces(amdgpu_vmid_free_reserved)
def free_reserved(original: Original, adev: AmdgpuDevice, vm: AmdgpuVm, vm_hub: int) -> None:
    is_open = any(vm is filp.driver_priv.vm for filp in adev.ddev.filelist)
    if not is_open:
        original(adev, vm, vm_hub)
