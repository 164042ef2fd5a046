# SPDX-License-Identifier: MIT
"""A page table for comparison: one dict per table, and the kernel's own walk over them.

The loop in `write` follows amdgpu_vm_ptes_update step by step (fragments, cursor, allocation on the way down, freeing
of tables under huge leaves), unlike the model under test, which cuts the range into aligned pieces first.
"""

from __future__ import annotations

from amdgpu_hw.gpu_model.page_table import Entry, EntryKind, Geometry
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GPU_PAGE_SHIFT

NONE = Entry(EntryKind.NONE)


class Table:
    """Entries by index; children by index, and whether the parent's entry points to them."""

    def __init__(self) -> None:
        self.leaves: dict[int, Entry] = {}
        self.children: dict[int, Table] = {}
        self.linked: set[int] = set()


class NaivePageTable:
    """The reference: slow, and as close to the driver's source as Python allows."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.root = Table()
        self.top = len(geometry.shifts) - 1
        self.relocated: list[tuple[Table, int, Table]] = []

    def entries(self, level: int) -> int:
        """How many entries a table of a level has."""
        shifts = self.geometry.shifts
        return self.geometry.root_entries if level == self.top else 1 << (shifts[level + 1] - shifts[level])

    def table(self, level: int, pfn: int) -> Table:
        """Return the table of ``level`` for ``pfn``, allocating the way down."""
        table = self.root
        for upper in range(self.top, level, -1):
            index = (pfn >> self.geometry.shifts[upper]) % self.entries(upper)
            if index not in table.children:
                table.children[index] = Table()
                self.relocated.append((table, index, table.children[index]))
            table = table.children[index]
        return table

    def fragment(self, start: int, end: int, scattered: bool) -> tuple[int, int]:
        """amdgpu_vm_pte_fragment: (log2 of the fragment, its end)."""
        if scattered:
            return 0, end
        alignment = (start & -start).bit_length() - 1 if start else 63
        fragment = min(alignment, (end - start).bit_length() - 1)
        if fragment >= 31:
            return 31, end & ~((1 << 31) - 1)
        return fragment, start + (1 << fragment)

    def write(self, first: int, last: int, entry: Entry, scattered: bool) -> bool:
        """amdgpu_vm_ptes_update over [first, last]; returns whether a table was added that is still there."""
        shifts = self.geometry.shifts
        before = len(self.relocated)
        end = last + 1
        at = first
        fragment, fragment_end = self.fragment(at, end, scattered or not self.geometry.huge_leaves)
        while at < end:
            level = 0
            while level < self.top and fragment >= shifts[level + 1]:
                level += 1
            table = self.table(level, at)
            shift = shifts[level]
            span = self.entries(level) << shift
            entry_end = min(at // span * span + span, end)
            while at < entry_end:
                upto = min(entry_end, fragment_end)
                for page in range(at, upto, 1 << shift):
                    index = (page >> shift) % self.entries(level)
                    address = entry.address + ((page - first) << AMDGPU_GPU_PAGE_SHIFT)
                    table.leaves[index] = entry._replace(address=address) if entry.kind is EntryKind.VALID else entry
                    table.linked.discard(index)
                    table.children.pop(index, None)
                at = upto
                if at >= fragment_end and at < end:
                    fragment, fragment_end = self.fragment(at, end, scattered or not self.geometry.huge_leaves)
                    if fragment < shift:
                        break
        return any(parent.children.get(index) is child for parent, index, child in self.relocated[before:])

    def update_pdes(self) -> None:
        """Link what is new."""
        for parent, index, child in self.relocated:
            if parent.children.get(index) is child:
                parent.linked.add(index)
        self.relocated.clear()

    def page(self, pfn: int) -> Entry:
        """What the GPU sees at one page."""
        table = self.root
        level = self.top
        while True:
            shift = self.geometry.shifts[level]
            index = (pfn >> shift) % self.entries(level)
            if index not in table.linked:
                break
            table = table.children[index]
            level -= 1
        entry = table.leaves.get(index, NONE)
        if entry.kind is not EntryKind.VALID:
            return Entry(entry.kind, 0, entry.flags if entry.kind is EntryKind.PRT else 0)
        return entry._replace(address=entry.address + ((pfn & ((1 << shift) - 1)) << AMDGPU_GPU_PAGE_SHIFT))
