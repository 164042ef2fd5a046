# SPDX-License-Identifier: MIT
"""Page tables in the hardware's format, walked with a TLB that keeps what it has until the driver invalidates it.

Entries (amdgpu_vm.h, GFX9 to GFX11): bit 0 valid, 1 system memory, 5 readable, 6 writeable, 7 to 11 fragment, 12 to 47
address, 51 PRT, 54 a directory entry that is a page. An entry that is not valid but PRT is a hole.

Translate further (MI300X, gmc_v9_0_get_vm_pde): the block fragment size of a directory entry (bits 59 to 63) says how
many pages each entry of the table below covers; such an entry is a page of that size, or with bit 56 points to one more
table, of single pages.

A page of any size, and a fragment, is aligned in the address space only: the driver chooses both by the virtual address
and the length, and never looks at where the memory begins (`amdgpu_vm_pte_fragment`).

The TLB. What was found once, a page or the place of a lower table, is not looked at in memory again before an
invalidation of its VMID: a driver that changes entries and forgets to flush goes on with the old ones, as on hardware.
Entries that are not valid are not kept (amdgpu_vm_update_range flushes for new mappings only before GFX9).

Fragments. An entry may say that its neighbours continue it, and hardware may then answer for all of them by that one
entry (`amdgpu_vm_pte_fragment`). Where the neighbours differ it is up to chance what hardware does, so that is told to
the machine's log, and only the entry itself is used.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from amdgpu_hw.gpu_model.translation import VA_MASK, EntryKind, Translation
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GPU_PAGE_SHIFT as PAGE_SHIFT

from .memory import SYSTEM

if TYPE_CHECKING:
    from .log import MachineLog
    from .memory import PhysicalMemory

__all__ = ("AMDGPU_PDE_PTE", "AMDGPU_PTE_PRT", "AMDGPU_PTE_SYSTEM", "AMDGPU_PTE_VALID", "VmContext", "VmidSpace")

AMDGPU_PTE_VALID = 1 << 0
AMDGPU_PTE_SYSTEM = 1 << 1
AMDGPU_PTE_PRT = 1 << 51
AMDGPU_PDE_PTE = 1 << 54
AMDGPU_PTE_TF = 1 << 56
BLOCK_FRAGMENT_SHIFT, BLOCK_FRAGMENT_MASK = 59, 31
FLAGS = 0x7F
"""Entry bits that `Translation.flags` has."""
PAGE_ADDRESS = 0xFFFF_FFFF_F000
TABLE_ADDRESS = 0xFFFF_FFFF_FFC0
FRAGMENT_SHIFT = 7
FRAGMENT_MASK = 31
DIRECTORY_BITS = 9
_ENTRY = 8


class VmContext(NamedTuple):
    """What the registers say of one VMID (VM_CONTEXTn_*)."""

    enabled: bool
    depth: int
    """Levels of directories."""
    block_bits: int
    """log2 of the entries of a table."""
    base: int
    """Page directory, with the flags of an entry."""
    start: int
    end: int
    """First and last address."""


class _Leaf(NamedTuple):
    kind: EntryKind
    address: int
    flags: int


class VmidSpace:
    """What one VMID of one hub translates to (`gpu_model.translation.Translator`)."""

    def __init__(
        self,
        name: str,
        memory: PhysicalMemory,
        context: Callable[[], VmContext],
        vram_offset: Callable[[], int],
        log: MachineLog,
    ) -> None:
        self.name = name
        self._memory = memory
        self._context = context
        self._vram_offset = vram_offset
        self._log = log
        self._leaves: dict[int, dict[int, _Leaf]] = {}
        """log2 of the span -> number of the span -> what it is."""
        self._tables: dict[tuple[int, int], tuple[int, int]] = {}
        """Level and number of a table -> where it is, log2 of the pages of its entries. Level -1: translate further."""

    def invalidate(self, leaves: bool = True, tables: bool = True) -> None:
        """Forget what was found."""
        if leaves:
            self._leaves.clear()
        if tables:
            self._tables.clear()

    def walk(self, va: int) -> Translation:
        """Translate a virtual address."""
        va &= VA_MASK
        for shift, leaves in self._leaves.items():
            leaf = leaves.get(va >> shift)
            if leaf is not None:
                offset = va & ((1 << shift) - 1)
                return Translation(leaf.kind, leaf.address + offset, (1 << shift) - offset, leaf.flags)
        return self._walk_tables(va)

    # -- tables -------------------------------------------------------------------------------------------------------

    def _walk_tables(self, va: int) -> Translation:
        context = self._context()
        if not context.enabled:
            return Translation(EntryKind.NONE, 0, VA_MASK + 1 - va, 0)
        if not context.start <= va <= context.end:
            nearest = context.start if va < context.start else VA_MASK + 1
            return Translation(EntryKind.NONE, 0, nearest - va, 0)
        relative = va - context.start
        top = PAGE_SHIFT + context.block_bits
        level, table, pages = self._nearest_table(context, relative)
        if table < 0:
            return Translation(EntryKind.NONE, 0, context.end + 1 - va, 0)
        while True:
            # What an entry covers: of a directory, of a table, of the table behind a table's entry.
            shift = top + DIRECTORY_BITS * (level - 1) if level > 0 else PAGE_SHIFT + pages if not level else PAGE_SHIFT
            index = relative >> shift
            size = index + 1
            if level < context.depth:
                above = top + DIRECTORY_BITS * level if level >= 0 else PAGE_SHIFT + pages
                size = 1 << (above - shift)
                index &= size - 1
            entry = self._memory.read_u64(table + _ENTRY * index)
            valid = entry & AMDGPU_PTE_VALID
            further = not level and pages and valid and entry & AMDGPU_PTE_TF
            if (level <= 0 and not further) or entry & AMDGPU_PDE_PTE or (entry & AMDGPU_PTE_PRT and not valid):
                return self._leaf(va, relative, entry, table, index, shift, size)
            if not valid:
                return Translation(EntryKind.NONE, 0, (1 << shift) - (relative & (1 << shift) - 1), 0)
            table = self._place(entry, TABLE_ADDRESS)
            if level == 1:
                pages = entry >> BLOCK_FRAGMENT_SHIFT & BLOCK_FRAGMENT_MASK
                pages = pages if pages < context.block_bits else 0
            level -= 1
            self._tables[level, relative >> shift] = table, pages

    def _nearest_table(self, context: VmContext, relative: int) -> tuple[int, int, int]:
        """Return the lowest table on the way that is known: its level, place (-1: none), pages of its entries."""
        top = PAGE_SHIFT + context.block_bits
        if context.depth:
            found = self._tables.get((0, relative >> top))
            if found is not None:
                table, pages = found
                below = self._tables.get((-1, relative >> PAGE_SHIFT + pages)) if pages else None
                return (0, table, pages) if below is None else (-1, below[0], pages)
            for level in range(1, context.depth):
                found = self._tables.get((level, relative >> top + DIRECTORY_BITS * level))
                if found is not None:
                    return level, found[0], 0
        if not context.base & AMDGPU_PTE_VALID:
            return context.depth, -1, 0
        return context.depth, self._place(context.base, TABLE_ADDRESS), 0

    def _leaf(self, va: int, relative: int, entry: int, table: int, index: int, shift: int, size: int) -> Translation:
        """Return what a page is, and keep it if it is something."""
        span = 1 << shift
        offset = relative & (span - 1)
        if entry & AMDGPU_PTE_VALID:
            kind = EntryKind.VALID
            address = self._place(entry, PAGE_ADDRESS)
        elif entry & AMDGPU_PTE_PRT:
            kind, address = EntryKind.PRT, 0
        else:
            return Translation(EntryKind.NONE, 0, self._empty(table, index, size) * span - offset, 0)
        fragment = PAGE_SHIFT + (entry >> FRAGMENT_SHIFT & FRAGMENT_MASK)
        if fragment > shift and not va - relative & (1 << fragment) - 1:
            count = min(1 << (fragment - shift), size)
            first = index & -count
            if self._continues(table, first, count, index, entry, span):
                offset += (index - first) * span
                address -= (index - first) * span if kind is EntryKind.VALID else 0
                span *= count
        shift = span.bit_length() - 1
        leaf = _Leaf(kind, address if kind is EntryKind.VALID else 0, entry & FLAGS)
        if not (va - relative) & (span - 1):
            self._leaves.setdefault(shift, {})[va >> shift] = leaf
        return Translation(kind, leaf.address + offset, span - offset, leaf.flags)

    def _continues(self, table: int, first: int, count: int, index: int, entry: int, span: int) -> bool:
        """Tell whether the entries of a fragment are what one of them says; what differs is told to the log."""
        step = span if entry & AMDGPU_PTE_VALID else 0
        # The addresses of PRT entries mean nothing.
        mask = -1 if step else ~PAGE_ADDRESS
        origin = (entry - (index - first) * step) & mask
        entries = struct.unpack(f"<{count}Q", self._memory.read(table + _ENTRY * first, _ENTRY * count))
        for number, found in enumerate(entries):
            if found & mask != origin + number * step:
                self._log.once(
                    ("fragment", table, first, count, found),
                    f"{self.name}: entry {index} of the table at {table:#x} ({entry:#x}) is of a fragment of {count} "
                    f"entries, but entry {first + number} is {found:#x}: hardware may answer for it by either",
                )
                return False
        return True

    def _empty(self, table: int, index: int, size: int) -> int:
        """Return how many entries from ``index`` on are empty."""
        data = self._memory.read(table + _ENTRY * index, _ENTRY * max(1, min(size - index, 512)))
        empty = len(data) - len(data.lstrip(b"\0"))
        return max(1, empty // _ENTRY)

    def _place(self, entry: int, mask: int) -> int:
        """Return where what an entry points to is."""
        if entry & AMDGPU_PTE_SYSTEM:
            return SYSTEM | entry & mask
        return (entry & mask) - self._vram_offset() & SYSTEM - 1
