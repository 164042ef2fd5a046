# SPDX-License-Identifier: MIT
"""The TLB is not flushed when mappings have gone."""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_update_range
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import NO_ENTRY
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(
    caught_by=(),
    equivalent="the modelled GPU has no TLB: each job brings its page table, so nothing outlives a clear",
)


@replaces(amdgpu_vm_update_range)
def update_range(
    original: Original, vm: AmdgpuVm, sync: AmdgpuSync, first: int, last: int, entry: Entry, flush_tlb: bool
) -> DmaFence | None:
    return original(vm, sync, first, last, entry, flush_tlb and entry is not NO_ENTRY)
