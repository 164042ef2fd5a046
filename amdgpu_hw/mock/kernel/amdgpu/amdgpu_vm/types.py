# SPDX-License-Identifier: MIT
"""The structures of amdgpu_vm.h: an address space, a BO's attachment to it, and the mappings.

A mapping is in the address space's interval tree and in exactly one of the two lists of its `AmdgpuBoVa`: on
*valids* when a page-table job for it has been queued, on *invalids* when one has yet to be. There may be a million
of them, so they are slotted objects and every operation here is O(log n).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sortedcontainers import SortedList

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import dma_fence_context_alloc, dma_fence_get_stub
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DmaResv
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TtmLruBulkMove
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GPU_PAGE_SHIFT, AMDGPU_GPU_PAGE_SIZE

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.page_table import PageTable
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
    from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmSchedEntity

__all__ = (
    "AMDGPU_GPU_PAGE_SHIFT",
    "AMDGPU_GPU_PAGE_SIZE",
    "AmdgpuBoVa",
    "AmdgpuBoVaMapping",
    "AmdgpuVm",
    "VaTree",
    "amdgpu_vm_generation",
)


class AmdgpuBoVaMapping:
    """`struct amdgpu_bo_va_mapping`: pages ``start``..``last`` (inclusive) show the BO from byte ``offset`` on.

    ``flags`` are uAPI bits (AMDGPU_VM_PAGE_*). ``bo_va`` is None once the mapping has been removed.
    """

    __slots__ = ("bo_va", "flags", "last", "offset", "start")

    def __init__(self, start: int, last: int, offset: int, flags: int, bo_va: AmdgpuBoVa | None) -> None:
        self.start = start
        self.last = last
        self.offset = offset
        self.flags = flags
        self.bo_va = bo_va

    def __repr__(self) -> str:
        return f"<mapping {self.start:#x}..{self.last:#x} offset {self.offset:#x} flags {self.flags:#x}>"


class VaTree:
    """`vm->va`: the mappings of an address space by address; they never overlap (amdgpu_vm_it_*)."""

    __slots__ = ("_by_start", "_starts")

    def __init__(self) -> None:
        self._starts: SortedList[int] = SortedList()
        self._by_start: dict[int, AmdgpuBoVaMapping] = {}

    def __len__(self) -> int:
        return len(self._by_start)

    def insert(self, mapping: AmdgpuBoVaMapping) -> None:
        """Add a mapping that overlaps none in the tree."""
        self._by_start[mapping.start] = mapping
        self._starts.add(mapping.start)

    def remove(self, mapping: AmdgpuBoVaMapping) -> None:
        """Take a mapping out; its ``start`` must be what it was at insertion."""
        del self._by_start[mapping.start]
        self._starts.remove(mapping.start)

    def starting_at(self, start: int) -> AmdgpuBoVaMapping | None:
        """Return the mapping whose first page is ``start``."""
        return self._by_start.get(start)

    def iter_first(self, start: int, last: int) -> AmdgpuBoVaMapping | None:
        """Return the lowest mapping that overlaps pages ``start``..``last`` (amdgpu_vm_it_iter_first)."""
        starts = self._starts
        after = starts.bisect_right(start)
        if after:
            mapping = self._by_start[starts[after - 1]]
            if mapping.last >= start:
                return mapping
        if after < len(self._by_start):
            mapping = self._by_start[starts[after]]
            if mapping.start <= last:
                return mapping
        return None

    def overlapping(self, start: int, last: int) -> list[AmdgpuBoVaMapping]:
        """Return the mappings that overlap pages ``start``..``last``, by ascending address."""
        first = self.iter_first(start, last)
        if first is None:
            return []
        found = [first]
        if first.last < last:
            by_start = self._by_start
            found += [by_start[s] for s in self._starts.irange(first.start, last, (False, True))]
        return found

    def in_order(self) -> list[AmdgpuBoVaMapping]:
        """All mappings by ascending address."""
        return [self._by_start[start] for start in self._starts]


class AmdgpuBoVa:
    """`struct amdgpu_bo_va`: a BO (None: the VM's PRT mappings) in one address space.

    ``valids`` and ``invalids`` stand for the kernel's lists, newest entry last: where the kernel walks a list from
    its head, the model walks the dict backwards.
    """

    __slots__ = (
        "bo",
        "cleared",
        "delayed_inputs",
        "invalids",
        "is_listed",
        "last_pt_update",
        "moved",
        "ref_count",
        "valids",
        "vm",
    )

    def __init__(self, vm: AmdgpuVm, bo: AmdgpuBo | None) -> None:
        self.vm = vm
        self.bo = bo
        self.ref_count = 1
        self.moved = False
        """The BO's memory is elsewhere now: every mapping has to be written again (`base.moved`)."""
        self.is_listed = False
        """An ordinary BO is on one of the VM's lists (`base.vm_status`) since its first update, and never off them."""
        self.cleared = False
        """The page-table entries were zeroed because the BO could not be locked."""
        self.last_pt_update: DmaFence = dma_fence_get_stub()
        self.valids: dict[AmdgpuBoVaMapping, None] = {}
        self.invalids: dict[AmdgpuBoVaMapping, None] = {}
        self.delayed_inputs: AmdgpuSync | None = None
        """Input fences of delayed maps, which the next update has to wait for (`merges_unused_inputs`)."""


class AmdgpuVm:
    """`struct amdgpu_vm`: one address space, shared by all contexts of an open file."""

    def __init__(
        self,
        adev: AmdgpuDevice,
        page_table: PageTable,
        immediate: DrmSchedEntity,
        delayed: DrmSchedEntity,
        generation: int,
    ) -> None:
        self.adev = adev
        self.page_table = page_table
        """What the GPU sees; changes only when jobs run."""
        self.root_resv = DmaResv()
        """Reservation object of the root directory; always-valid BOs and page tables share it."""
        self.va = VaTree()
        self.freed: list[AmdgpuBoVaMapping] = []
        """Removed mappings whose entries are still to be zeroed; the last one comes first (list_add)."""
        self.delayed_freed: list[AmdgpuBoVaMapping] = []
        """The same, left over by updates that keep their own list (patch 1 of the series)."""
        self.delayed_inputs: AmdgpuSync | None = None
        """Input fences of delayed unmaps (`merges_unused_inputs`)."""

        # Where a bo_va stands; kernel lists, kept as dicts for O(1) removal (oldest first).
        self.evicted: dict[AmdgpuBoVa, None] = {}
        self.moved: dict[AmdgpuBoVa, None] = {}
        """Always-valid BOs with mappings to write at the next submission."""
        self.invalidated: dict[AmdgpuBoVa, None] = {}
        """Other BOs that have moved."""
        self.lru_bulk_move = TtmLruBulkMove()
        """Its always-valid BOs, which are used by every submission and so by all together."""
        self.relocated = False
        """Page tables were added that no directory points to yet."""
        self.evicting = False

        self.immediate = immediate
        self.delayed = delayed
        self.generation = generation
        self.last_update: DmaFence = dma_fence_get_stub()
        self.last_unlocked: DmaFence = dma_fence_get_stub()
        self.last_tlb_flush: DmaFence = dma_fence_get_stub()
        self.tlb_seq = 0
        self.tlb_fence_context = dma_fence_context_alloc(1)
        self.is_compute_context = False
        self.use_cpu_for_update = False
        """The CPU writes the page tables; otherwise jobs do."""

        self.pid = 0
        self.process_name = ""
        self.client_id = 0
        """The file's (`DrmFile.client_id`)."""
        """Who uses the VM, for fault reports (amdgpu_vm_set_task_info)."""
        self.pasid = 0
        self.fault_info = (0, 0, 0)
        """Last fault of this VM: address, status, hub (INFO GPUVM_FAULT)."""

    def evict_page_tables(self) -> bool:
        """Let the page tables go if nothing uses or changes them (amdgpu_vm_evictable).

        They keep their content; but until the next submission has brought them back nobody can update them. The model
        counts no memory for them: they live in the part of VRAM that is kept for them (`AMDGPU_VM_RESERVED_VRAM`).
        """
        if not self.root_resv.test_signaled(DMA_RESV_USAGE_BOOKKEEP) or not self.last_unlocked.signaled:
            return False
        self.evicting = True
        return True


def amdgpu_vm_generation(adev: AmdgpuDevice, vm: AmdgpuVm | None) -> int:
    """Return the token that changes when the page tables are lost; without a VM the device's part of it."""
    result = adev.vram_lost_counter << 32
    if vm is None:
        return result
    result += vm.generation & 0xFFFFFFFF
    # A failed update poisons the entity; the next submission makes the tables anew.
    return result + 1 if vm.delayed.error else result
