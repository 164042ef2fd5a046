# SPDX-License-Identifier: MIT
"""VM faults: what the driver does when the hardware reports an access to an unmapped page (gmc_v*.c).

The access itself has been redirected to the dummy page and the job goes on; all that is left is a record in the
VM (INFO GPUVM_FAULT) and lines in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.faults import Client
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import AMDGPU_GFXHUB
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.task_info import amdgpu_vm_print_task_info
from amdgpu_hw.mock.kernel.amdgpu.gmc_v8_0 import gmc_v8_0_process_interrupt
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GPU_PAGE_SIZE, AMDGPU_HW_IP_COMPUTE, AMDGPU_HW_IP_GFX
from amdgpu_hw.uapi.amdgpu_info import AMDGPU_VMHUB_TYPE_GFX, AMDGPU_VMHUB_TYPE_MM0

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.page_table import VmFault
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing

__all__ = ("RateLimit", "process_fault")

# UTCL2 clients (gfxhub_client_ids): IBs are fetched by the CPF, the CPs access memory themselves, and so do shaders.
_OWN_CLIENTS = {
    Client.CP_FETCH.value: (4, "CPF"),
    Client.TCP.value: (8, "TCP"),
    Client.SQC_INST.value: (9, "SQC (inst)"),
    Client.SQC_DATA.value: (10, "SQC (data)"),
}
_CP_CLIENTS = {AMDGPU_HW_IP_GFX: (6, "CPG"), AMDGPU_HW_IP_COMPUTE: (5, "CPC")}
_SDMA_CLIENTS = ((13, "SDMA0"), (14, "SDMA1"), (16, "SDMA2"), (17, "SDMA3"))

# PERMISSION_FAULTS as seen on hardware when the entry is not valid.
_PERMISSION_READ = 0x3
_PERMISSION_WRITE = 0x5

_SRC_ID_UTCL2 = 0
_CLIENT_UTCL2 = 0x1B
_CLIENT_VMC = 0x12


class RateLimit:
    """`printk_ratelimit`: at most ``burst`` messages in ``interval`` ns, then silence until the interval is over."""

    __slots__ = ("_begin", "_printed", "burst", "interval", "missed")

    def __init__(self, interval: int = 5_000_000_000, burst: int = 10) -> None:
        self.interval = interval
        self.burst = burst
        self.missed = 0
        self._begin = 0
        self._printed = 0

    def allow(self, now: int) -> bool:
        """Whether to print at ``now`` (CLOCK_MONOTONIC, ns)."""
        if not self._begin or now - self._begin >= self.interval:
            self._begin = now
            self._printed = 0
        if self._printed < self.burst:
            self._printed += 1
            return True
        self.missed += 1
        return False


def process_fault(adev: AmdgpuDevice, ring: AmdgpuRing, fault: VmFault) -> None:
    """Record a fault in its VM and log it like the driver of this generation."""
    if adev.identity.gc_version < (9,):
        gmc_v8_0_process_interrupt(adev, fault)
        return
    address = fault.va & -AMDGPU_GPU_PAGE_SIZE & (1 << 48) - 1
    client, client_name = _client(ring, fault.client)
    permission = _PERMISSION_WRITE if fault.write else _PERMISSION_READ
    status = permission << 4 | client << 9 | int(fault.write) << 18 | fault.vmid << 20
    vm = adev.vm_of(fault.page_table)
    if vm is not None:
        hub = AMDGPU_VMHUB_TYPE_GFX if ring.vm_hub == AMDGPU_GFXHUB else AMDGPU_VMHUB_TYPE_MM0
        vm.fault_info = (address, status, hub)
    if not adev.fault_ratelimit.allow(adev.kernel.now()):
        return

    on_gfxhub = ring.vm_hub == AMDGPU_GFXHUB
    pasid = vm.pasid if vm is not None else 0
    ids = f"src_id:{_SRC_ID_UTCL2} ring:{ring.idx} vmid:{fault.vmid} pasid:{pasid}"
    ih_client = _CLIENT_UTCL2 if on_gfxhub else _CLIENT_VMC
    if adev.identity.gc_version >= (10, 0, 0):
        adev.err(f"[{'gfxhub' if on_gfxhub else 'mmhub'}] page fault ({ids})")
        amdgpu_vm_print_task_info(adev, vm)
        adev.err(f"  in page starting at address 0x{address:016x} from client {ih_client}")
        prefix = "GCVM"
    else:
        retry = "retry" if adev.identity.vm.retry_faults else "no-retry"
        adev.err(f"[{'gfxhub0' if on_gfxhub else 'mmhub0'}] {retry} page fault ({ids})")
        amdgpu_vm_print_task_info(adev, vm)
        name = "UTCL2" if on_gfxhub else "VMC"
        adev.err(f"  in page starting at address 0x{address:016x} from IH client 0x{ih_client:x} ({name})")
        prefix = "VM"
    adev.err(f"{prefix}_L2_PROTECTION_FAULT_STATUS:0x{status:08X}")
    adev.err(f"\t Faulty UTCL2 client ID: {client_name} (0x{client:x})")
    adev.err("\t MORE_FAULTS: 0x0")
    adev.err("\t WALKER_ERROR: 0x0")
    adev.err(f"\t PERMISSION_FAULTS: 0x{permission:x}")
    adev.err("\t MAPPING_ERROR: 0x0")
    adev.err(f"\t RW: 0x{int(fault.write):x}")


def _client(ring: AmdgpuRing, unit: str) -> tuple[int, str]:
    """Return what the status register calls the unit that made the access: number and name."""
    own = _OWN_CLIENTS.get(unit)
    if own is not None:
        return own
    return _CP_CLIENTS.get(ring.hw_ip) or _SDMA_CLIENTS[ring.hw.index % len(_SDMA_CLIENTS)]
