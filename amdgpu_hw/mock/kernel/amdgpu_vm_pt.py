# SPDX-License-Identifier: MIT
"""What goes into page tables: amdgpu_vm_pt.c, and the entries of amdgpu_vm_bo_update and gmc_v*.c.

The tables themselves are the GPU's (`mock.gpu.page_table`). The driver's part is to add directories and tables in the
ioctl, and to make the closures that jobs run to write entries and to hook new tables up. Zeroing a new table is a job
of its own in the kernel; it goes ahead of the job that needs the table on the same entity, so the model's tables are
born zeroed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.mock.gpu.page_table import (
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
    from amdgpu_hw.mock.kernel.amdgpu_object import AmdgpuBo
    from amdgpu_hw.mock.kernel.amdgpu_vm_types import AmdgpuBoVaMapping, AmdgpuVm

__all__ = ("NO_ENTRY", "amdgpu_vm_get_vm_pte", "amdgpu_vm_pde_update", "amdgpu_vm_ptes_update")

NO_ENTRY = Entry(EntryKind.NONE)
"""Neither valid nor PRT: an access faults."""

_PRT_ENTRY = Entry(EntryKind.PRT)


def _pte_flags(flags: int) -> int:
    return (
        (AMDGPU_PTE_READABLE if flags & AMDGPU_VM_PAGE_READABLE else 0)
        | (AMDGPU_PTE_WRITEABLE if flags & AMDGPU_VM_PAGE_WRITEABLE else 0)
        | (AMDGPU_PTE_EXECUTABLE if flags & AMDGPU_VM_PAGE_EXECUTABLE else 0)
    )


def amdgpu_vm_get_vm_pte(bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> Entry:
    """Return the entry of a mapping's first page; those of the following pages go up with the address.

    A PRT entry is not valid and has no memory. Memory outside VRAM and GTT is not for the GPU to see.
    """
    if mapping.flags & AMDGPU_VM_PAGE_PRT:
        return _PRT_ENTRY
    if bo is None or not bo.gpu_accessible:
        return NO_ENTRY
    return Entry(EntryKind.VALID, bo.resource.start + mapping.offset, _pte_flags(mapping.flags))


def amdgpu_vm_ptes_update(vm: AmdgpuVm, first: int, last: int, entry: Entry) -> Callable[[], None]:
    """Add the tables that pages ``first``..``last`` need; returns what a job has to do to write ``entry`` to them."""
    if vm.page_table.allocate(first, last):
        vm.relocated = True
    return partial(vm.page_table.write, first, last, entry)


def amdgpu_vm_pde_update(vm: AmdgpuVm) -> Callable[[], None]:
    """Return what a job has to do to hook up the tables added so far."""
    return vm.page_table.update_pdes
