# SPDX-License-Identifier: MIT
"""Jobs that write page tables: amdgpu_vm_sdma.c.

An update is prepared (dependencies), filled, and committed to the VM's `delayed` entity, which keeps all updates of
a VM in the order they were made. `amdgpu_vm_cpu` does without jobs.
The packets are the model's: a job calls what writes the entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.timing import DriverOperation
from amdgpu_hw.mock.kernel.amdgpu import amdgpu_job
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_FENCE_OWNER_VM
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DMA_RESV_USAGE_KERNEL

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import PdesUpdate, PtesUpdate

__all__ = ("amdgpu_vm_sdma_commit", "amdgpu_vm_sdma_prepare")


def amdgpu_vm_sdma_prepare(vm: AmdgpuVm, sync: AmdgpuSync | None) -> AmdgpuJob:
    """Make a job that waits for the fences in ``sync`` and for whatever moves the page tables themselves.

    Leaves out: the IB and its size.
    """
    job = amdgpu_job.amdgpu_job_alloc(vm.adev, None, vm.delayed, AMDGPU_FENCE_OWNER_VM, 1)
    if sync is not None:
        sync.push_to_job(job)
    # Page tables share the root directory's reservation object (amdgpu_vm_sdma_update): a clear of any always-valid
    # BO is a KERNEL fence there, and holds up every update of the VM (E2).
    for fence in vm.root_resv.iter(DMA_RESV_USAGE_KERNEL):
        job.add_dependency(fence)
    return job


def amdgpu_vm_sdma_commit(vm: AmdgpuVm, job: AmdgpuJob, write: PtesUpdate | PdesUpdate, flush_tlb: bool) -> DmaFence:
    """Queue a prepared job that will call ``write`` on a ring; returns its finished fence.

    Leaves out: immediate and unlocked updates (KFD, SVM).
    """
    job.call = write
    if vm.adev.gpu.timing is not None:
        job.operation, job.amount = DriverOperation.PT_ENTRIES, write.entries
    if flush_tlb:
        vm.tlb_seq += 1
    fence = amdgpu_job.amdgpu_job_submit(job)
    vm.adev.mman.ib_pool.take(fence)
    vm.root_resv.add_fence(fence, DMA_RESV_USAGE_BOOKKEEP)
    # RDNA runs user jobs on the same SDMA rings: they must see the TLB flushed after the write, not behind it.
    fence.dont_pipeline = True
    return fence
