# SPDX-License-Identifier: MIT
"""What goes into page tables: amdgpu_vm_pt.c, and the entries of amdgpu_vm_bo_update and gmc_v*.c.

The tables themselves are the GPU's (`gpu_model.page_table`). The driver's part is to add directories and tables in the
ioctl, and to say what jobs do to write entries and to hook new tables up. Zeroing a new table is a job
of its own in the kernel; it goes ahead of the job that needs the table on the same entity, so the model's tables are
born zeroed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.page_table import (
    AMDGPU_PTE_EXECUTABLE,
    AMDGPU_PTE_READABLE,
    AMDGPU_PTE_WRITEABLE,
    Entry,
    EntryKind,
)
from amdgpu_hw.uapi.amdgpu_drm import (
    AMDGPU_VM_PAGE_EXECUTABLE,
    AMDGPU_VM_PAGE_PRT,
    AMDGPU_VM_PAGE_READABLE,
    AMDGPU_VM_PAGE_WRITEABLE,
)

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.page_table import PageTable
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm

__all__ = ("NO_ENTRY", "PdesUpdate", "PtesUpdate", "amdgpu_vm_pde_update", "amdgpu_vm_ptes_update", "entry_of_mapping")

NO_ENTRY = Entry(EntryKind.NONE)
"""Neither valid nor PRT: an access faults."""

_PRT_ENTRY = Entry(EntryKind.PRT)


_HUGE_SHIFT = 9


class PtesUpdate:
    """What a job does that writes ``entry`` to pages ``first``..``last``."""

    __slots__ = ("entry", "first", "last", "page_table")

    def __init__(self, page_table: PageTable, first: int, last: int, entry: Entry) -> None:
        self.page_table = page_table
        self.first = first
        self.last = last
        self.entry = entry

    def __call__(self) -> None:
        """Write the entries."""
        self.page_table.write(self.first, self.last, self.entry)

    @property
    def entries(self) -> int:
        """How many entries that are, about: one for each 2 MiB that are one huge entry, and one for each other page."""
        pages = self.last + 1 - self.first
        huge = (self.last + 1 >> _HUGE_SHIFT) - (-(-self.first >> _HUGE_SHIFT))
        return pages - huge * ((1 << _HUGE_SHIFT) - 1) if huge > 0 else pages


class PdesUpdate:
    """What a job does that hooks up the tables added so far."""

    __slots__ = ("page_table",)

    entries = 1

    def __init__(self, page_table: PageTable) -> None:
        self.page_table = page_table

    def __call__(self) -> None:
        """Make the tables reachable."""
        self.page_table.update_pdes()


def _pte_flags(flags: int) -> int:
    return (
        (AMDGPU_PTE_READABLE if flags & AMDGPU_VM_PAGE_READABLE else 0)
        | (AMDGPU_PTE_WRITEABLE if flags & AMDGPU_VM_PAGE_WRITEABLE else 0)
        | (AMDGPU_PTE_EXECUTABLE if flags & AMDGPU_VM_PAGE_EXECUTABLE else 0)
    )


def entry_of_mapping(adev: AmdgpuDevice, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> Entry:
    """Return the entry of a mapping's first page; those of the following pages go up with the address.

    A PRT entry is not valid and has no memory; where there is no bit for it, it is empty (gmc_v8_0_get_vm_pte).
    Memory outside VRAM and GTT is not for the GPU to see.
    """
    if mapping.flags & AMDGPU_VM_PAGE_PRT:
        return NO_ENTRY if adev.vm_manager.has_set_prt else _PRT_ENTRY
    if bo is None or not bo.gpu_accessible:
        return NO_ENTRY
    flags = _pte_flags(mapping.flags)
    if bo.user_pages is not None and bo.user_pages.readonly:
        flags &= ~AMDGPU_PTE_WRITEABLE  # amdgpu_ttm_tt_pte_flags
    return Entry(EntryKind.VALID, bo.resource.address + mapping.offset, flags)


def amdgpu_vm_ptes_update(vm: AmdgpuVm, first: int, last: int, entry: Entry) -> PtesUpdate:
    """Add the tables that pages ``first``..``last`` need; returns what a job has to do to write ``entry`` to them.

    Leaves out: levels, fragments and freeing tables that a huge entry replaces: these are of the model's page table.
    """
    if vm.page_table.allocate(first, last):
        vm.relocated = True
    return PtesUpdate(vm.page_table, first, last, entry)


def amdgpu_vm_pde_update(vm: AmdgpuVm) -> PdesUpdate:
    """Return what a job has to do to hook up the tables added so far.

    Leaves out: one entry at a time.
    """
    return PdesUpdate(vm.page_table)
