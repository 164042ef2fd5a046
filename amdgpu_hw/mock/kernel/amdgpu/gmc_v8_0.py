# SPDX-License-Identifier: MIT
"""The memory controller of GFX8: PRT for the whole device, and how it reports VM faults (gmc_v8_0.c).

Registers are the model's: PRT is the range `GpuModel.prt_aperture`, and what a fault leaves in registers is made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.faults import Client
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.task_info import amdgpu_vm_print_task_info
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SHIFT
from amdgpu_hw.packets import Engine
from amdgpu_hw.uapi.amdgpu_info import AMDGPU_VMHUB_TYPE_GFX

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.page_table import VmFault
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice

__all__ = ("gmc_v8_0_process_interrupt", "gmc_v8_0_set_prt")

_SRCID_GFX_PAGE_INV_FAULT = 146

# PROTECTIONS of VM_CONTEXT1_PROTECTION_FAULT_STATUS as Polaris shows them for entries that are not valid.
_PROTECTIONS_READ = 0x0C
_PROTECTIONS_WRITE = 0x14

# MEMORY_CLIENT_ID has a number for each path into the memory controller; which ones these units have is not known.
_UNKNOWN_CLIENT_ID = 0

_SHADER_CLIENTS = frozenset(client.value for client in (Client.TCP, Client.SQC_INST, Client.SQC_DATA))
"""Units behind the texture cache, which makes their accesses; logs of Polaris name one of its channels, such as TC4."""


def gmc_v8_0_set_prt(adev: AmdgpuDevice, enable: bool) -> None:
    """Take all unmapped pages of all address spaces for PRT, or none (VM_PRT_CNTL and its apertures)."""
    if enable and not adev.prt_warning:
        adev.warn("Disabling VM faults because of PRT request!")
        adev.prt_warning = True
    variant = adev.variant
    top = (adev.vm_manager.max_pfn << AMDGPU_GPU_PAGE_SHIFT) - variant.va_reserved_top
    adev.gpu.prt_aperture = range(variant.va_reserved_bottom, top) if enable else range(0)


def gmc_v8_0_process_interrupt(adev: AmdgpuDevice, fault: VmFault) -> None:
    """Record a fault in its VM and log it; all engines are behind one hub, SDMA too.

    Leaves out: virtual functions, the soft ring of interrupts, vm_fault_stop, and faults of KFD.
    """
    page = fault.va >> AMDGPU_GPU_PAGE_SHIFT & 0xFFFFFFFF
    protections = _PROTECTIONS_WRITE if fault.write else _PROTECTIONS_READ
    status = protections | _UNKNOWN_CLIENT_ID << 12 | int(fault.write) << 24 | fault.vmid << 25
    vm = adev.vm_of(fault.page_table)
    if vm is not None:
        vm.fault_info = (page << AMDGPU_GPU_PAGE_SHIFT, status, AMDGPU_VMHUB_TYPE_GFX)
    if not adev.fault_ratelimit.allow(adev.kernel.now()):
        return

    source = protections | _UNKNOWN_CLIENT_ID << 8 | int(fault.write) << 17
    adev.err(f"GPU fault detected: {_SRCID_GFX_PAGE_INV_FAULT} 0x{source:08x}")
    amdgpu_vm_print_task_info(adev, vm)
    adev.err(f"  VM_CONTEXT1_PROTECTION_FAULT_ADDR   0x{page:08X}")
    adev.err(f"  VM_CONTEXT1_PROTECTION_FAULT_STATUS 0x{status:08X}")
    block = _block(fault)
    mc_client = int.from_bytes(block.encode().ljust(4, b"\0"), "big")
    pasid = vm.pasid if vm is not None else 0
    adev.err(
        f"VM fault (0x{protections:02x}, vmid {fault.vmid}, pasid {pasid}) at page {page}, "
        f"{'write' if fault.write else 'read'} from '{block}' (0x{mc_client:08x}) ({_UNKNOWN_CLIENT_ID})"
    )


def _block(fault: VmFault) -> str:
    """Return the name of the unit that made the access: four characters in a register."""
    if fault.client == Client.CP_FETCH.value:
        return "CPF"
    if fault.client in _SHADER_CLIENTS:
        return "TC0"
    if fault.ring.engine is Engine.SDMA:
        return f"SDM{fault.ring.index}"
    return "CPG" if fault.ring.engine is Engine.GFX else "CPC"
