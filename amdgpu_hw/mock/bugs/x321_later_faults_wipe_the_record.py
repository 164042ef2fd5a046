# SPDX-License-Identifier: MIT
"""Of several VM faults the last one is told without its status: it takes the place of the one that has it.

The status register holds the first fault until somebody reads it; those that follow find 0 there. Since
amdgpu_vm_update_fault_cache came, after 6.1, it had to learn to leave them out.
"""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import VmFault
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gmc import process_fault
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O28",))


@replaces(process_fault)
def fault_of_ring(original: Original, adev: AmdgpuDevice, ring: AmdgpuRing, fault: VmFault) -> None:
    vm = adev.vm_of(fault.page_table)
    is_first = vm is None or not vm.fault_info[1]
    original(adev, ring, fault)
    if vm is not None and not is_first:
        address, _status, hub = vm.fault_info
        vm.fault_info = (address, 0, hub)
