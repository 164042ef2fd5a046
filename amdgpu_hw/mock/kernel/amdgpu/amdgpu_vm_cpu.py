# SPDX-License-Identifier: MIT
"""Page tables that the CPU writes: amdgpu_vm_cpu.c.

There is no job that could wait, so the system call does, with the root directory locked, and there is no fence that
would tell when an update has taken effect: it has when the call returns. `amdgpu_vm_update_mode` is what chooses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_KERNEL
from amdgpu_hw.mock.kernel.process import wait_for

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import PdesUpdate, PtesUpdate

__all__ = ("AMDGPU_VM_USE_CPU_FOR_GFX", "amdgpu_vm_cpu_prepare", "amdgpu_vm_cpu_update")

AMDGPU_VM_USE_CPU_FOR_GFX = 1 << 0
"""Bit of vm_update_mode for the address spaces of DRM files; the other one is for those of KFD."""


def amdgpu_vm_cpu_prepare(sync: AmdgpuSync) -> None:
    """Wait for the fences that a job would wait for; ERESTARTSYS when a signal comes first."""
    wait_for(sync.wait(interruptible=True))


def amdgpu_vm_cpu_update(vm: AmdgpuVm, write: PtesUpdate | PdesUpdate, flush_tlb: bool) -> None:
    """Write the entries as soon as nothing clears or moves the tables themselves; ERESTARTSYS as above.

    ``flush_tlb`` has the next job flush the TLB (amdgpu_vm_cpu_commit).

    Leaves out: bits of entries that depend on the NUMA node.
    """
    wait_for(vm.root_resv.wait(DMA_RESV_USAGE_KERNEL))
    write()
    if flush_tlb:
        vm.tlb_seq += 1
