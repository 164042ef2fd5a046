# SPDX-License-Identifier: MIT
"""Page tables as the GPU sees them: one tree of directories and tables per address space.

Levels. GFX9 and later have four, each of 512 entries: a table (4 KiB pages) and directories whose entries cover
2 MiB, 1 GiB and 512 GiB. An entry of a directory either points to the next level or is a *huge leaf* that maps its
whole span. GFX6 to GFX8 have one directory over tables, and leaves only in tables. Which entries a range gets
follows `amdgpu_vm_pte_fragment` and `amdgpu_vm_ptes_update`: every naturally aligned piece that is long enough
becomes one huge leaf, for valid pages, PRT and cleared ones alike; what memory is behind it does not matter. Where
the pages are scattered (``pages_addr`` in the kernel), all leaves are 4 KiB.

Two times. The driver allocates tables while it builds a job (`allocate`); the entries change when the job runs
(`write`); the directory entries that make new tables reachable change in a second job (`update_pdes`). Between
the last two the GPU still sees the old directory entry.

Splitting. To change a part of a huge leaf the driver puts a new table in its place. New tables are zeroed, and the
driver writes only the range it was asked for. When `update_pdes` has run, the untouched rest of the old leaf is
therefore unmapped, until the driver writes it too (KERNEL.md F7, B36, B37). Before, nothing of it is visible, not
even the change itself (E16). The other way round, a huge leaf written over tables frees them.

`allocate` tells only whether the driver had to add tables. The tables themselves are made when `write` runs: a
VM's page-table jobs run in the order they were built, so both walk through the same sequence of trees.

Size. Each table keeps runs of entries that continue each other, some 80 bytes for each, plus some 500 bytes for the
table; all operations are logarithmic in the number of runs of a table, plus one step for each table touched.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GPU_PAGE_SHIFT, AMDGPU_GPU_PAGE_SIZE

from .translation import (
    AMDGPU_PTE_EXECUTABLE,
    AMDGPU_PTE_READABLE,
    AMDGPU_PTE_WRITEABLE,
    VA_MASK,
    EntryKind,
    Translation,
    VmFault,
)

__all__ = (
    "AMDGPU_PTE_EXECUTABLE",
    "AMDGPU_PTE_READABLE",
    "AMDGPU_PTE_WRITEABLE",
    "GEOMETRY_GFX6",
    "GEOMETRY_GFX9",
    "VA_MASK",
    "Entry",
    "EntryKind",
    "Geometry",
    "PageTable",
    "Translation",
    "VmFault",
    "geometry_for",
)


class Entry(NamedTuple):
    """What to write: for a range, ``address`` is that of its first page and goes up with the pages.

    ``address`` counts bytes of `GpuMemory` and is page aligned; only VALID entries have one. ``flags`` are
    AMDGPU_PTE_* bits; the hardware model looks at READABLE and WRITEABLE, and hands all of them back.
    """

    kind: EntryKind
    address: int = 0
    flags: int = 0


class Geometry(NamedTuple):
    """``shifts``: log2 of the pages that an entry of each level covers, the lowest first; then the root's size."""

    shifts: tuple[int, ...]
    root_entries: int
    huge_leaves: bool


GEOMETRY_GFX9 = Geometry((0, 9, 18, 27), 512, True)
"""48 bits: PTB, PDB0, PDB1 and the root PDB2."""
GEOMETRY_GFX6 = Geometry((0, 10), 1 << 18, False)
"""40 bits. Tables have 2^10 entries whatever the size: amdgpu_vm_adjust_size has the block size computed from the
number of levels (dmesg: "2 levels, block size is 10-bit")."""


def geometry_for(gfx_version: tuple[int, ...], pages: int) -> Geometry:
    """Return the levels of address spaces of ``pages`` pages: before GFX9 the directory is as long as they need."""
    if gfx_version >= (9,):
        return GEOMETRY_GFX9
    return GEOMETRY_GFX6._replace(root_entries=pages >> GEOMETRY_GFX6.shifts[-1])


# An entry in a table is one number: the address, and in the bits below it an index into `PageTable._treatments`.
# Indices of VALID treatments are odd: the entries of their runs count up with the pages. A run is kept as the number
# that entry 0 of the table would have if the run began there, so that two runs that continue each other are equal.
_CODE_MASK = AMDGPU_GPU_PAGE_SIZE - 1
_NONE = 0
_LINK = 2
_FIRST_OTHER = 4

_Directory: TypeAlias = "dict[int, _Directory]"
_Piece: TypeAlias = tuple[int, int, int, int]
"""The part of a range that is in one table: level, first page of the table, first index, index behind the last."""


class _Table:
    """One directory or table: runs of entries. ``starts`` has the first index of each run, always 0 first."""

    __slots__ = ("children", "linked", "starts", "values")

    def __init__(self) -> None:
        self.starts = [0]
        self.values = [_NONE]
        self.children: dict[int, _Table] | None = None
        self.linked = False
        """A directory entry points to it: the GPU sees it."""

    def put(self, first: int, end: int, value: int, size: int) -> None:
        """Write the entries [first, end) of ``size``; ``value`` is what entry 0 would be in the same run."""
        starts, values = self.starts, self.values
        low = bisect_right(starts, first) - 1
        high = bisect_left(starts, end, low)
        begin = low if starts[low] == first else low + 1
        new_starts, new_values = [], []
        if not begin or values[begin - 1] != value:
            new_starts.append(first)
            new_values.append(value)
        last = values[high - 1]
        if end < (starts[high] if high < len(starts) else size):
            # The last run that is touched goes on behind the range.
            if last != value:
                new_starts.append(end)
                new_values.append(last)
        elif high < len(starts) and values[high] == value:
            high += 1
        starts[begin:high] = new_starts
        values[begin:high] = new_values

    def drop_children(self, first: int, end: int) -> None:
        """Free the tables below the entries [first, end)."""
        children = self.children
        if not children:
            return
        if end - first < len(children):
            for index in range(first, end):
                children.pop(index, None)
        else:
            for index in [index for index in children if first <= index < end]:
                del children[index]


class PageTable:
    """The page tables of one address space; page frame numbers are those of the 48-bit address (`VA_MASK`)."""

    def __init__(self, gfx_version: tuple[int, ...], geometry: Geometry | None = None) -> None:
        """Make empty page tables of a GC version; ``geometry`` replaces its levels."""
        if geometry is None:
            geometry = GEOMETRY_GFX9 if gfx_version >= (9,) else GEOMETRY_GFX6
        shifts = geometry.shifts
        self._shifts = shifts
        self._top = len(shifts) - 1
        self._sizes = tuple(
            1 << (shifts[level + 1] - shift) if level < self._top else geometry.root_entries
            for level, shift in enumerate(shifts)
        )
        self._levels = tuple((level, shifts[level], self._sizes[level]) for level in range(self._top, -1, -1))
        self._above = tuple(self._levels[: self._top - level] for level in range(len(shifts)))
        self._huge_leaves = geometry.huge_leaves
        self.max_pfn = geometry.root_entries << shifts[-1]
        """How many pages the address space has."""
        self._root = _Table()
        self._pending: list[tuple[_Table, int, int, _Table]] = []
        self._driver: _Directory = {}
        # Few distinct sets of flags are in use, so an entry's flags are an index into this table.
        self._treatments: dict[int, tuple[EntryKind, int]] = {_NONE: (EntryKind.NONE, 0)}
        self._codes: dict[tuple[EntryKind, int], int] = {}

    # -- the driver's side ----------------------------------------------------------------------------------------

    def allocate(self, first_pfn: int, last_pfn: int, scattered: bool = False) -> bool:
        """Add the tables that writing [first_pfn, last_pfn] will need, and free those it makes superfluous.

        For the driver, when it builds the job. Returns whether tables were added, that is whether `update_pdes`
        has to run after the write. ``scattered`` must be the same as in `write`.
        """
        added = False
        for level, table_start, first, after in self._pieces(first_pfn, last_pfn, scattered):
            directory = self._driver
            for _, shift, size in self._above[level]:
                index = (table_start >> shift) % size
                below = directory.get(index)
                if below is None:
                    below = directory[index] = {}
                    added = True
                directory = below
            if level and directory:
                for index in [index for index in directory if first <= index < after]:
                    del directory[index]
        return added

    # -- the job's side -------------------------------------------------------------------------------------------

    def write(self, first_pfn: int, last_pfn: int, entry: Entry, scattered: bool = False) -> None:
        """Write the entries of [first_pfn, last_pfn]; new tables stay out of the GPU's sight until `update_pdes`."""
        value = self._encode(entry)
        for level, table_start, first, after in self._pieces(first_pfn, last_pfn, scattered):
            table = self._table_at(level, table_start)
            origin = value + ((table_start - first_pfn) << AMDGPU_GPU_PAGE_SHIFT) if value & 1 else value
            table.put(first, after, origin, self._sizes[level])
            if level:
                table.drop_children(first, after)

    def update_pdes(self) -> None:
        """Make all tables that were added reachable (`amdgpu_vm_update_pdes`)."""
        for parent, level, index, table in self._pending:
            # A huge leaf may have taken the table's place since.
            if parent.children is not None and parent.children.get(index) is table:
                parent.put(index, index + 1, _LINK, self._sizes[level])
                table.linked = True
        self._pending.clear()

    def lose(self) -> None:
        """Forget everything, as when the memory that holds the tables loses its content."""
        self._root = _Table()
        self._pending.clear()
        self._driver = {}

    # -- the hardware's side --------------------------------------------------------------------------------------

    def walk(self, va: int) -> Translation:
        """Translate a virtual address; of its upper 16 bits only 0 and all ones are meaningful and neither counts."""
        offset = va & VA_MASK
        pfn = offset >> AMDGPU_GPU_PAGE_SHIFT
        if pfn >= self.max_pfn:
            return Translation(EntryKind.NONE, 0, VA_MASK + 1 - offset, 0)
        table = self._root
        for _, shift, size in self._levels:
            index = (pfn >> shift) % size
            below = table.children.get(index) if table.children else None
            if below is None or not below.linked:
                break
            table = below
        starts = table.starts
        run = bisect_right(starts, index) - 1
        value = table.values[run]
        end = starts[run + 1] if run + 1 < len(starts) else size
        span = AMDGPU_GPU_PAGE_SHIFT + shift
        from_table_start = offset % (size << span)
        length = (end << span) - from_table_start
        kind, flags = self._treatments[value & _CODE_MASK]
        address = (value & ~_CODE_MASK) + from_table_start if value & 1 else 0
        return Translation(kind, address, length, flags)

    # -- tables ---------------------------------------------------------------------------------------------------

    def _encode(self, entry: Entry) -> int:
        """Return the number that stands for an entry; ValueError for addresses that are not page aligned."""
        kind, address, flags = entry
        if address & _CODE_MASK or not 0 <= address < 1 << 64:
            raise ValueError(f"page table entries need page addresses, {address:#x} is none")
        code = self._codes.get((kind, flags))
        if code is None:
            code = self._add_treatment(kind, flags)
        return address | code if code & 1 else code

    def _add_treatment(self, kind: EntryKind, flags: int) -> int:
        code = _NONE
        if kind is not EntryKind.NONE:
            code = _FIRST_OTHER + 2 * len(self._codes) + (kind is EntryKind.VALID)
        if code > _CODE_MASK:
            raise ValueError("more different flags than a page table of this model can hold")
        self._codes[kind, flags] = code
        self._treatments.setdefault(code, (kind, flags))
        return code

    def _pieces(self, first_pfn: int, last_pfn: int, scattered: bool) -> list[_Piece]:
        """Cut a range into what each table gets of it, in ascending order."""
        if not 0 <= first_pfn <= last_pfn < self.max_pfn:
            raise ValueError(f"pages {first_pfn:#x} to {last_pfn:#x} are not in an address space of {self.max_pfn:#x}")
        size = self._sizes[0]
        first = first_pfn % size
        after = first + last_pfn + 1 - first_pfn
        if after <= size and after - first < size:
            # A part of one table, as most ranges are.
            return [(0, first_pfn - first, first, after)]
        runs = self._runs(first_pfn, last_pfn, scattered)
        return [piece for level, start, end in runs for piece in self._tables(level, start, end)]

    def _runs(self, first_pfn: int, last_pfn: int, scattered: bool) -> Iterator[tuple[int, int, int]]:
        """Cut a range into (level, start, end) of entries of one level each, in ascending order."""
        start, end = first_pfn, last_pfn + 1
        if scattered or not self._huge_leaves:
            yield 0, start, end
            return
        tails = []
        # Up from small entries to the largest that fits, and down again: amdgpu_vm_pte_fragment takes the smaller
        # of the start's alignment and the length that is left.
        for level in range(self._top):
            unit = 1 << self._shifts[level + 1]
            upper_start = -(-start // unit) * unit
            upper_end = end // unit * unit
            if upper_start >= upper_end:
                break
            if start < upper_start:
                yield level, start, upper_start
            if upper_end < end:
                tails.append((level, upper_end, end))
            start, end = upper_start, upper_end
        else:
            level = self._top
        yield level, start, end
        yield from reversed(tails)

    def _tables(self, level: int, start: int, end: int) -> Iterator[_Piece]:
        """Cut a run of one level by the tables it is in."""
        shift = self._shifts[level]
        span = self._sizes[level] << shift
        base = start // span * span
        while base < end:
            first = max(start - base, 0) >> shift
            after = min(end - base, span) >> shift
            yield level, base, first, after
            base += span

    def _table_at(self, level: int, pfn: int) -> _Table:
        """Return the table of ``level`` that holds ``pfn``, with zeroed ones put in where there are none yet."""
        table = self._root
        for upper, shift, size in self._above[level]:
            index = (pfn >> shift) % size
            children = table.children
            if children is None:
                children = table.children = {}
            below = children.get(index)
            if below is None:
                below = children[index] = _Table()
                self._pending.append((table, upper, index, below))
            table = below
        return table
