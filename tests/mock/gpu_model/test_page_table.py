# SPDX-License-Identifier: MIT
"""Page tables: huge leaves, splits, pending directory updates, and a comparison with a naive model."""

from __future__ import annotations

import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amdgpu_hw.gpu_model.page_table import (
    GEOMETRY_GFX6,
    VA_MASK,
    Entry,
    EntryKind,
    Geometry,
    PageTable,
    geometry_for,
)
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GPU_PAGE_SHIFT, AMDGPU_GPU_PAGE_SIZE
from tests.mock.gpu_model.naive_page_table import NaivePageTable

NONE, PRT, VALID = EntryKind.NONE, EntryKind.PRT, EntryKind.VALID
GFX9 = (9, 4, 3)
GFX8 = (8, 0, 0)
RW = 0x60

PAGES_2M = 512
PAGES_1G = 512 * 512

SMALL = Geometry((0, 2, 4, 6), 4, True)
"""256 pages in four levels of four entries: every border is close."""
SMALL_GFX6 = Geometry((0, 4), 16, False)


def page(table: PageTable, pfn: int) -> Entry:
    """What one page looks like."""
    found = table.walk(pfn << AMDGPU_GPU_PAGE_SHIFT)
    return Entry(found.kind, found.address, found.flags)


def update(table: PageTable, first: int, last: int, entry: Entry, *, pdes: bool = True) -> bool:
    """Do what a job of the driver does: allocate, write, and the directory update if one is needed."""
    needed = table.allocate(first, last)
    table.write(first, last, entry)
    if needed and pdes:
        table.update_pdes()
    return needed


def test_empty_address_space_is_unmapped_to_its_end() -> None:
    """Nothing is mapped, and one walk says so for everything."""
    found = PageTable(GFX9).walk(0x10000)
    assert (found.kind, found.length) == (NONE, VA_MASK + 1 - 0x10000)


def test_high_half_is_the_same_tables_as_bits_47_to_0() -> None:
    """0xffff800000000000 is page 2^35: the upper 16 bits of an address are not looked at."""
    table = PageTable(GFX9)
    update(table, 1 << 35, 1 << 35, Entry(VALID, 0x5000, RW))
    assert table.walk(0xFFFF_8000_0000_0123)[:2] == (VALID, 0x5123)


def test_valid_range_translates_byte_exactly() -> None:
    """Addresses count on through a mapping, and the length ends with it."""
    table = PageTable(GFX9)
    update(table, 0x101, 0x104, Entry(VALID, 0x40000, RW))
    found = table.walk(0x102345)
    assert found.kind is VALID
    assert found.address == 0x41345
    assert found.length == 0x105000 - 0x102345
    assert found.flags == RW
    assert page(table, 0x100).kind is NONE
    assert page(table, 0x105).kind is NONE


def test_huge_prt_range_costs_nothing() -> None:
    """1 TiB of aligned PRT is two root entries and needs no new table."""
    table = PageTable(GFX9)
    pages = 1 << 28
    assert not table.allocate(pages, 2 * pages - 1)
    table.write(pages, 2 * pages - 1, Entry(PRT))
    found = table.walk((pages + 12345) << AMDGPU_GPU_PAGE_SHIFT)
    assert found.kind is PRT
    assert found.length == (pages - 12345) << AMDGPU_GPU_PAGE_SHIFT


def test_new_tables_are_invisible_until_the_directory_update() -> None:
    """A mapping that needs new tables appears with update_pdes, not with write (KERNEL.md E16)."""
    table = PageTable(GFX9)
    assert table.allocate(0x1000, 0x1000)
    table.write(0x1000, 0x1000, Entry(VALID, 0x1000, RW))
    assert page(table, 0x1000).kind is NONE, "the new table can be seen before its directory entry was written"
    table.update_pdes()
    assert page(table, 0x1000) == Entry(VALID, 0x1000, RW)
    assert not table.allocate(0x1001, 0x1001), "the table is there: a second page in it needs no directory update"
    table.write(0x1001, 0x1001, Entry(VALID, 0x9000, RW))
    assert page(table, 0x1001) == Entry(VALID, 0x9000, RW)


@pytest.mark.parametrize("kind", [VALID, PRT])
def test_splitting_a_huge_leaf_unmaps_its_rest(kind: EntryKind) -> None:
    """F7, B36: clearing one page of a 2 MiB leaf unmaps the other 511 until they are written again."""
    table = PageTable(GFX9)
    whole = Entry(kind, 0x20_0000 if kind is VALID else 0, RW)
    update(table, 0x200, 0x3FF, whole)
    assert update(table, 0x210, 0x210, Entry(NONE), pdes=False), "splitting a leaf needs a directory update"
    assert page(table, 0x210).kind is kind, "the split took effect before the directory update"
    table.update_pdes()
    assert page(table, 0x210).kind is NONE
    assert page(table, 0x211).kind is NONE, "the new table is zeroed: its other pages are unmapped"
    assert page(table, 0x200).kind is NONE
    update(table, 0x211, 0x3FF, Entry(kind, whole.address + 0x11000 if kind is VALID else 0, RW))
    assert page(table, 0x211).kind is kind


def test_remnants_written_before_the_directory_update_leave_no_gap() -> None:
    """What a kernel with F7 mended does: rest first, then the directory; the rest is mapped at any time."""
    table = PageTable(GFX9)
    update(table, 0x200, 0x3FF, Entry(VALID, 0x20_0000, RW))
    assert table.allocate(0x210, 0x210)
    table.write(0x210, 0x210, Entry(NONE))
    for first, last in ((0x200, 0x20F), (0x211, 0x3FF)):
        assert not table.allocate(first, last)
        table.write(first, last, Entry(VALID, first << AMDGPU_GPU_PAGE_SHIFT, RW))
    assert page(table, 0x211).address == 0x211000
    table.update_pdes()
    assert page(table, 0x210).kind is NONE
    assert page(table, 0x20F) == Entry(VALID, 0x20F000, RW)
    assert page(table, 0x211) == Entry(VALID, 0x211000, RW)


def test_one_tile_in_a_1_gib_leaf_unmaps_the_far_end() -> None:
    """B37: the split goes down two levels, and pages far away from the tile become unmapped."""
    table = PageTable(GFX9)
    update(table, PAGES_1G, 2 * PAGES_1G - 1, Entry(PRT))
    update(table, PAGES_1G + 16, PAGES_1G + 31, Entry(VALID, 0x10000, RW))
    assert page(table, PAGES_1G + 16) == Entry(VALID, 0x10000, RW)
    assert page(table, PAGES_1G + 32).kind is NONE
    assert page(table, 2 * PAGES_1G - 1).kind is NONE


def test_small_leaves_have_no_neighbours_to_lose() -> None:
    """O10, the control of F7: pages mapped one by one survive the clear of their neighbour."""
    table = PageTable(GFX9)
    update(table, 0x200, 0x3FF, Entry(VALID, 0x20_0000, RW))
    scattered = PageTable(GFX9)
    assert scattered.allocate(0x200, 0x3FF, scattered=True)
    scattered.write(0x200, 0x3FF, Entry(VALID, 0x20_0000, RW), scattered=True)
    scattered.update_pdes()
    for one in (table, scattered):
        update(one, 0x210, 0x210, Entry(NONE))
    assert page(table, 0x211).kind is NONE
    assert page(scattered, 0x211) == Entry(VALID, 0x211000, RW)


def test_huge_leaf_over_tables_frees_them() -> None:
    """After a leaf took the place of a table, a page below needs a new, zeroed table again."""
    table = PageTable(GFX9)
    update(table, 0x201, 0x201, Entry(VALID, 0x1000, RW))
    assert not update(table, 0x200, 0x3FF, Entry(PRT))
    assert page(table, 0x201).kind is PRT
    assert update(table, 0x202, 0x202, Entry(VALID, 0x2000, RW))
    assert page(table, 0x201).kind is NONE, "the old table came back with its old content"


def test_jobs_behind_the_driver_see_their_own_tables() -> None:
    """The driver may be ahead: table, huge leaf and table again are all built before the first job runs."""
    table = PageTable(GFX9)
    steps = [
        (0x201, 0x201, Entry(VALID, 0x1000, RW)),
        (0x200, 0x3FF, Entry(PRT)),
        (0x202, 0x202, Entry(VALID, 0x2000, RW)),
    ]
    needed = [table.allocate(first, last) for first, last, _ in steps]
    assert needed == [True, False, True]
    seen = []
    for (first, last, entry), pdes in zip(steps, needed, strict=True):
        table.write(first, last, entry)
        if pdes:
            table.update_pdes()
        seen.append((page(table, 0x201).kind, page(table, 0x202).kind))
    assert seen == [(VALID, NONE), (PRT, PRT), (NONE, VALID)]


def test_gfx8_has_no_huge_leaves() -> None:
    """Before GFX9 the rest of a range survives a change in its middle."""
    table = PageTable(GFX8)
    update(table, 0, GEOMETRY_GFX6.root_entries - 1, Entry(PRT))
    assert not update(table, 0x210, 0x210, Entry(NONE))
    assert page(table, 0x210).kind is NONE
    assert page(table, 0x211).kind is PRT
    assert table.walk(1 << 41).kind is NONE, "40 bits of address"


@pytest.mark.parametrize("gib", [64, 1024])
def test_gfx8_address_space_is_as_large_as_its_directory(gib: int) -> None:
    """From 64 GiB to 40 bits: the last page can be mapped, and nothing is behind it."""
    table = PageTable(GFX8, geometry_for(GFX8, gib << 18))
    assert table.max_pfn == gib << 18
    update(table, table.max_pfn - 1, table.max_pfn - 1, Entry(VALID, 0x3000))
    assert page(table, table.max_pfn - 1).address == 0x3000
    assert page(table, table.max_pfn - 2).kind is NONE
    assert page(table, table.max_pfn).kind is NONE


def test_bad_ranges_and_addresses_are_errors() -> None:
    """Ranges outside the address space and unaligned memory are bugs of the mock kernel."""
    table = PageTable(GFX9)
    with pytest.raises(ValueError, match="not in an address space"):
        table.allocate(0, 1 << 36)
    with pytest.raises(ValueError, match="not in an address space"):
        table.write(5, 4, Entry(PRT))
    with pytest.raises(ValueError, match="page addresses"):
        table.write(0, 0, Entry(VALID, 0x123, RW))


def test_thousands_of_tiles_stay_small() -> None:
    """64 KiB tiles, every other one bound: little more than a hundred bytes each."""
    table = PageTable(GFX9)
    tracemalloc.start()
    try:
        for tile in range(20_000):
            first = tile * 32
            table.allocate(first, first + 15)
            table.write(first, first + 15, Entry(VALID, (tile * 7919 % 20_000) << 16, RW))
        table.update_pdes()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert page(table, 32 * 19_999 + 15).kind is VALID
    assert used < 20_000 * 150, f"{used / 20_000:.0f} bytes per tile on {sys.platform}"


ENTRIES = st.one_of(
    st.just(Entry(NONE)),
    st.just(Entry(PRT)),
    st.builds(
        lambda address, flags: Entry(VALID, address * AMDGPU_GPU_PAGE_SIZE, flags),
        st.integers(0, 300),
        st.sampled_from([RW, 0x20]),
    ),
    # Memory at the place of its address: neighbouring writes continue each other and runs merge.
    st.just(None),
)
OPERATIONS = st.lists(
    st.tuples(
        st.integers(0, 255), st.one_of(st.integers(0, 3), st.integers(0, 255)), ENTRIES, st.booleans(), st.booleans()
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(operations=OPERATIONS, huge=st.booleans(), align=st.booleans())
def test_against_the_naive_model(
    operations: list[tuple[int, int, Entry | None, bool, bool]], huge: bool, align: bool
) -> None:
    """After every step each page is what the kernel's own algorithm on plain dicts makes of it."""
    geometry = SMALL if huge else SMALL_GFX6
    table = PageTable(GFX9, geometry)
    naive = NaivePageTable(geometry)
    for first, length, entry, scattered, pdes in operations:
        if align:
            first, length = first & ~15, length | 15
        last = min(first + length, 255)
        if entry is None:
            entry = Entry(VALID, first << AMDGPU_GPU_PAGE_SHIFT, RW)
        needed = table.allocate(first, last, scattered)
        table.write(first, last, entry, scattered)
        assert needed == naive.write(first, last, entry, scattered)
        if pdes:
            table.update_pdes()
            naive.update_pdes()
        expected = [naive.page(pfn) for pfn in range(256)]
        pfn = 0
        while pfn < 256:
            found = table.walk(pfn << AMDGPU_GPU_PAGE_SHIFT)
            assert found.length >= AMDGPU_GPU_PAGE_SIZE
            for ahead in range(min(found.length >> AMDGPU_GPU_PAGE_SHIFT, 256 - pfn)):
                address = found.address + (ahead << AMDGPU_GPU_PAGE_SHIFT) if found.kind is VALID else 0
                seen = Entry(found.kind, address, found.flags)
                assert seen == expected[pfn + ahead], f"page {pfn + ahead}, walked from {pfn}, of {geometry}"
            # Some walks begin inside a run.
            pfn += max(1, found.length >> AMDGPU_GPU_PAGE_SHIFT + 1)


@settings(max_examples=100, deadline=None)
@given(
    ranges=st.lists(
        st.tuples(st.integers(0, (1 << 36) - 1), st.integers(0, 1 << 30), st.sampled_from([NONE, PRT, VALID])),
        max_size=15,
    )
)
def test_full_size_tables_hold_the_last_write(ranges: list[tuple[int, int, EntryKind]]) -> None:
    """On real geometry the ends and the middle of the range just written translate to it."""
    table = PageTable(GFX9)
    for first, length, kind in ranges:
        last = min(first + length, (1 << 36) - 1)
        update(table, first, last, Entry(kind, 0x1000 if kind is VALID else 0))
        for pfn in {first, (first + last) // 2, last}:
            found = table.walk(pfn << AMDGPU_GPU_PAGE_SHIFT)
            assert found.kind is kind
            assert found.address == (0x1000 + ((pfn - first) << AMDGPU_GPU_PAGE_SHIFT) if kind is VALID else 0)
