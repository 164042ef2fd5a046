# SPDX-License-Identifier: MIT
"""Jobs that write page tables: amdgpu_vm_sdma.c and amdgpu_vm_tlb_fence.c.

An update is prepared (dependencies), filled, and committed to the VM's `delayed` entity, which keeps all updates of
a VM in the order they were made. `amdgpu_vm_cpu` does without jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.timing import Operation
from amdgpu_hw.mock.kernel.amdgpu import amdgpu_job
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_FENCE_OWNER_VM
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DMA_RESV_USAGE_KERNEL
from amdgpu_hw.mock.variants import TlbFence

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import PdesUpdate, PtesUpdate

__all__ = (
    "amdgpu_vm_sdma_commit",
    "amdgpu_vm_sdma_prepare",
    "amdgpu_vm_tlb_fence_create",
    "amdgpu_vm_tlb_flush",
)


def amdgpu_vm_sdma_prepare(vm: AmdgpuVm, sync: AmdgpuSync | None) -> AmdgpuJob:
    """Make a job that waits for the fences in ``sync`` and for whatever moves the page tables themselves."""
    job = amdgpu_job.amdgpu_job_alloc(vm.adev, None, vm.delayed, AMDGPU_FENCE_OWNER_VM, 1)
    if sync is not None:
        sync.push_to_job(job)
    # Page tables share the root directory's reservation object (amdgpu_vm_sdma_update): a clear of any always-valid
    # BO is a KERNEL fence there, and holds up every update of the VM (E2).
    for fence in vm.root_resv.iter(DMA_RESV_USAGE_KERNEL):
        job.add_dependency(fence)
    return job


def amdgpu_vm_sdma_commit(vm: AmdgpuVm, job: AmdgpuJob, write: PtesUpdate | PdesUpdate, flush_tlb: bool) -> DmaFence:
    """Queue a prepared job that will call ``write`` on a ring; returns its finished fence."""
    job.call = write
    if vm.adev.gpu.timing is not None:
        job.operation, job.amount = Operation.PT_ENTRIES, write.entries
    if flush_tlb:
        vm.tlb_seq += 1
    fence = amdgpu_job.amdgpu_job_submit(job)
    vm.adev.mman.ib_pool.take(fence)
    vm.root_resv.add_fence(fence, DMA_RESV_USAGE_BOOKKEEP)
    # RDNA runs user jobs on the same SDMA rings: they must see the TLB flushed after the write, not behind it.
    fence.dont_pipeline = True
    return fence


def amdgpu_vm_tlb_flush(vm: AmdgpuVm, fence: DmaFence) -> DmaFence:
    """Note that the TLB is stale once ``fence`` signals; returns the fence that says the update is complete."""

    def tlb_seq_cb(_fence: DmaFence) -> None:
        vm.tlb_seq += 1

    if fence.add_callback(tlb_seq_cb):
        vm.last_tlb_flush = fence
    else:
        tlb_seq_cb(fence)
    if not _needs_tlb_fence(vm):
        return fence
    tlb_fence = amdgpu_vm_tlb_fence_create(vm, fence)
    # No directory or table may be freed before the flush.
    vm.root_resv.add_fence(tlb_fence, DMA_RESV_USAGE_BOOKKEEP)
    return tlb_fence


def _needs_tlb_fence(vm: AmdgpuVm) -> bool:
    return vm.is_compute_context or vm.adev.variant.tlb_fence is TlbFence.ALL


def amdgpu_vm_tlb_fence_create(vm: AmdgpuVm, dependency: DmaFence) -> DmaFence:
    """Return a fence that signals from the work queue after ``dependency``, when the TLB has been flushed."""
    fence = DmaFence(vm.tlb_fence_context, vm.tlb_seq, "amdgpu tlb fence", "amdgpu tlb timeline")
    work = vm.adev.kernel.work

    def flush() -> None:
        fence.signal()

    def dependency_done(_fence: DmaFence) -> None:
        work.queue(flush)

    if not dependency.add_callback(dependency_done):
        work.queue(flush)
    return fence
