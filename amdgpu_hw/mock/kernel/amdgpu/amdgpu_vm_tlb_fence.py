# SPDX-License-Identifier: MIT
"""Fences that say when the TLB has been flushed (amdgpu_vm_tlb_fence.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm

__all__ = ("amdgpu_vm_tlb_fence_create",)


def amdgpu_vm_tlb_fence_create(vm: AmdgpuVm, dependency: DmaFence) -> DmaFence:
    """Return a fence that signals from the work queue after ``dependency``, when the TLB has been flushed.

    Leaves out: the flush itself: what the TLB has is told by `vm.tlb_seq`; and waiting where there is no memory for the
    fence.
    """
    fence = DmaFence(vm.tlb_fence_context, vm.tlb_seq, "amdgpu tlb fence", "amdgpu tlb timeline")
    work = vm.adev.kernel.work

    def flush() -> None:
        fence.signal()

    def dependency_done(_fence: DmaFence) -> None:
        work.queue(flush)

    if not dependency.add_callback(dependency_done):
        work.queue(flush)
    return fence
