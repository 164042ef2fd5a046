# SPDX-License-Identifier: MIT
"""VMIDs: the few address spaces the hardware can hold at a time (amdgpu_ids.c).

The page-table base and the TLB are not part of the model: a job carries its page table with it. What is left is
who may run at the same time, and the number in a fault's log line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.variants import ReservedVmids

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm

__all__ = (
    "AMDGPU_GFXHUB",
    "AMDGPU_MMHUB0",
    "AmdgpuVmid",
    "AmdgpuVmidMgr",
    "amdgpu_vmid_alloc_reserved",
    "amdgpu_vmid_free_reserved",
    "amdgpu_vmid_grab",
    "amdgpu_vmid_uses_reserved",
)


AMDGPU_GFXHUB = 0
AMDGPU_MMHUB0 = 8
"""`AMDGPU_MMHUB0_START`: the hub in front of SDMA up to version 4.x."""


class AmdgpuVmid:
    """`struct amdgpu_vmid`: one id; ``owner`` tells the VM that used it last, ``active`` are the jobs that use it."""

    __slots__ = ("active", "flushed_updates", "number", "owner")

    def __init__(self, number: int) -> None:
        self.number = number
        self.owner = 0
        """First fence context of the entity for immediate updates of the VM, as in the kernel: each has its own."""
        self.flushed_updates = 0
        """What `vm.tlb_seq` was when the id's part of the TLB was last flushed."""
        self.active: dict[int, DmaFence] = {}

    def active_fence(self) -> DmaFence | None:
        """Return a job that still uses the id, and forget those that are done (amdgpu_sync_peek_fence)."""
        active = self.active
        while active:
            context, fence = next(iter(active.items()))
            if not fence.signaled:
                return fence
            del active[context]
        return None


class AmdgpuVmidMgr:
    """`struct amdgpu_vmid_mgr`: the ids of one hub that kernel queues may use, least recently used first."""

    __slots__ = ("ids_lru", "reserved")

    def __init__(self, first_kfd_vmid: int) -> None:
        self.ids_lru = [AmdgpuVmid(number) for number in range(1, first_kfd_vmid)]
        self.reserved: dict[AmdgpuVm, AmdgpuVmid] = {}
        """The VMs with the id that was taken out of the round robin; which VMs can have it is the variant's."""


def amdgpu_vmid_grab(ring: AmdgpuRing, vm: AmdgpuVm, job: AmdgpuJob) -> DmaFence | None:
    """Give a job the VMID it runs with; returns the fence to wait for when there is none to be had.

    Leaves out: GDS, GWS and OA, a directory that has moved as a reason to flush, and the tracepoint.
    """
    manager = ring.adev.id_mgr[ring.vm_hub]
    if not ring.vmid_wait.signaled:
        return ring.vmid_wait
    idle = next((vmid for vmid in manager.ids_lru if vmid.active_fence() is None), None)
    if idle is None:
        # Every id is busy, even if this VM owns one: whoever waits longest gets the first that becomes free.
        fence = manager.ids_lru[0].active_fence()
        if fence is not None:
            ring.vmid_wait = fence
        return fence
    vmid = manager.reserved.get(vm)
    owner = vm.immediate.fence_context
    if vmid is not None:
        if vmid.owner != owner and (busy := vmid.active_fence()) is not None:
            return busy
    else:
        vmid = next((vmid for vmid in reversed(manager.ids_lru) if vmid.owner == owner), idle)
        manager.ids_lru.remove(vmid)
        manager.ids_lru.append(vmid)
    if vmid.owner != owner or vmid.flushed_updates < vm.tlb_seq:
        job.vm_needs_flush = True
        vmid.flushed_updates = vm.tlb_seq
    vmid.owner = owner
    vmid.active[job.s_fence.context] = job.s_fence
    job.vmid = vmid.number
    return None


def amdgpu_vmid_uses_reserved(adev: AmdgpuDevice, vm: AmdgpuVm, vm_hub: int) -> bool:
    """Tell whether a VM has an id of its own on a hub."""
    return vm in adev.id_mgr[vm_hub].reserved


def amdgpu_vmid_alloc_reserved(adev: AmdgpuDevice, vm: AmdgpuVm, vm_hub: int) -> None:
    """Set an id of a hub aside for one VM; raises ENOENT or EINVAL when another has it and the kernel shares none."""
    manager = adev.id_mgr[vm_hub]
    if vm in manager.reserved:
        return
    taken = next(iter(manager.reserved.values()), None)
    rule = adev.kernel.variant.reserved_vmids
    if taken is not None and rule is not ReservedVmids.SHARED:
        raise KernelError(rule.value, "another VM holds the reserved VMID")
    manager.reserved[vm] = taken if taken is not None else manager.ids_lru.pop(0)


def amdgpu_vmid_free_reserved(adev: AmdgpuDevice, vm: AmdgpuVm, vm_hub: int) -> None:
    """Put a VM's id back into the round robin when no other VM shares it; harmless when it has none."""
    manager = adev.id_mgr[vm_hub]
    vmid = manager.reserved.pop(vm, None)
    if vmid is not None and not manager.reserved:
        manager.ids_lru.insert(0, vmid)
