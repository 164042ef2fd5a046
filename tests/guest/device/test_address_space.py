# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from amdgpu_hw.gpu_model.translation import EntryKind
from amdgpu_hw.guest.device.address_space import VmidSpace

from .rig import DATA_AT, IB_AT, PDE_PTE, PRT, RAM_AT, RW, SYSTEM, TABLES_AT, VALID, Rig

VA = 0x8000_1234_5000
SYSTEM_BIT = 1 << 56


def space(rig: Rig, vmid: int = 1) -> VmidSpace:
    """Return what a VMID sees on the graphics hub."""
    rig.set_tables(vmid, TABLES_AT)
    return rig.gpu.gfxhub.spaces[vmid]


def test_a_page_of_vram_and_of_ram(rig: Rig) -> None:
    """Four levels down: a valid entry is a page; the system bit makes its address one of the bus."""
    rig.map_page(VA, DATA_AT | RW)
    rig.map_page(VA + 0x1000, RAM_AT | RW | SYSTEM)
    found = space(rig).walk(VA + 0x10)
    assert (found.kind, found.address, found.length) == (EntryKind.VALID, DATA_AT + 0x10, 0xFF0)
    assert space(rig).walk(VA + 0x1000).address == SYSTEM_BIT | RAM_AT


@pytest.mark.parametrize("upper", [0, 0xFFFF])
def test_the_upper_bits_do_not_count(rig: Rig, upper: int) -> None:
    """Addresses are canonical or not: tables are indexed with 48 bits."""
    rig.map_page(VA, DATA_AT | RW)
    assert space(rig).walk(upper << 48 | VA).address == DATA_AT


@pytest.mark.parametrize(("level", "shift"), [(2, 21), (1, 30), (0, 39)])
def test_a_directory_entry_can_be_a_huge_page(rig: Rig, level: int, shift: int) -> None:
    """PDE_PTE: 2 MiB, 1 GiB, 512 GiB in one entry."""
    rig.map_page(VA, DATA_AT | RW)
    rig.set_entry(TABLES_AT + 0x1000 * level, VA >> shift & 511, RW | PDE_PTE)
    found = space(rig).walk(VA)
    assert found.address == VA & (1 << shift) - 1
    assert found.length == (1 << shift) - (VA & (1 << shift) - 1)


@pytest.mark.parametrize(("level", "shift"), [(2, 21), (1, 30)])
@pytest.mark.parametrize("system", [0, SYSTEM])
def test_a_huge_page_need_not_be_aligned_in_memory(rig: Rig, level: int, shift: int, system: int) -> None:
    """IGT's amd_basic: 4 MiB of RAM mapped 8 KiB behind a multiple of 2 MiB (amdgpu_vm_pte_fragment)."""
    rig.map_page(VA, DATA_AT | RW)
    rig.set_entry(TABLES_AT + 0x1000 * level, VA >> shift & 511, 0x89F_E000 | RW | PDE_PTE | system | level << 7)
    for va in (VA & -1 << shift, VA, VA | (1 << shift) - 1):
        found = space(rig).walk(va)
        assert found.address == (SYSTEM_BIT if system else 0) | 0x89F_E000 + (va & (1 << shift) - 1)
        assert found.length == (1 << shift) - (va & (1 << shift) - 1)


@pytest.mark.parametrize(("level", "shift"), [(3, 12), (2, 21), (1, 30)])
def test_prt_is_a_hole_on_every_level(rig: Rig, level: int, shift: int) -> None:
    """Bit 51 without the valid bit: PRT, as far as the entry goes."""
    rig.map_page(VA, DATA_AT | RW)
    flags = PRT | (PDE_PTE if level < 3 else 0)
    rig.set_entry(TABLES_AT + 0x1000 * level, VA >> shift & 511, flags)
    found = space(rig).walk(VA)
    assert found.kind is EntryKind.PRT
    assert found.length == (1 << shift) - (VA & (1 << shift) - 1)


def test_nothing_is_mapped_where_no_entry_is(rig: Rig) -> None:
    """An empty directory entry is a fault as far as it goes; empty entries of a table up to one that is not."""
    rig.map_page(VA, DATA_AT | RW)
    found = space(rig).walk(VA + (1 << 30))
    assert (found.kind, found.length) == (EntryKind.NONE, (1 << 30) - (VA & (1 << 30) - 1))
    rig.map_page(VA + 0x5000, DATA_AT | RW)
    assert space(rig).walk(VA + 0x1800).length == 0x3800


def test_a_context_that_is_off_translates_nothing(rig: Rig) -> None:
    """VM_CONTEXTn_CNTL.ENABLE_CONTEXT and the page directory's valid bit."""
    rig.map_page(VA, DATA_AT | RW)
    made = space(rig)
    rig.write("GC", "VM_CONTEXT1_CNTL", 3 << 1)
    assert made.walk(VA).kind is EntryKind.NONE
    rig.write("GC", "VM_CONTEXT1_CNTL", 3 << 1 | 1)
    rig.write("GC", "VM_CONTEXT1_PAGE_TABLE_BASE_ADDR_LO32", TABLES_AT)
    assert made.walk(VA).kind is EntryKind.NONE


def test_the_context_ends_where_its_registers_say(rig: Rig) -> None:
    """Behind VM_CONTEXTn_PAGE_TABLE_END_ADDR nothing is mapped."""
    rig.map_page(VA, DATA_AT | RW)
    made = space(rig)
    rig.write("GC", "VM_CONTEXT1_PAGE_TABLE_END_ADDR_HI32", 0)
    rig.write("GC", "VM_CONTEXT1_PAGE_TABLE_END_ADDR_LO32", 0xFFFF)
    assert made.walk(VA).kind is EntryKind.NONE


def test_the_tlb_goes_on_with_the_old_page_until_it_is_flushed(rig: Rig) -> None:
    """A driver that forgets to flush is found out: the entry has changed, the translation has not."""
    rig.map_page(VA, DATA_AT | RW)
    made = space(rig)
    assert made.walk(VA).address == DATA_AT
    rig.map_page(VA, IB_AT | RW)
    assert made.walk(VA).address == DATA_AT
    rig.map_page(VA, 0)
    assert made.walk(VA).kind is EntryKind.VALID
    rig.flush(2)
    assert made.walk(VA).address == DATA_AT, "another VMID's flush is not this one's"
    rig.flush(1)
    assert made.walk(VA).kind is EntryKind.NONE


def test_a_hole_stays_a_hole_until_the_tlb_is_flushed(rig: Rig) -> None:
    """PRT entries are kept as well: memory put into a hole is seen after the flush."""
    rig.map_page(VA, PRT)
    made = space(rig)
    assert made.walk(VA).kind is EntryKind.PRT
    rig.map_page(VA, DATA_AT | RW)
    assert made.walk(VA).kind is EntryKind.PRT
    rig.flush(1)
    assert made.walk(VA).kind is EntryKind.VALID


def test_an_empty_entry_is_not_kept(rig: Rig) -> None:
    """A new mapping needs no flush from GFX9 on (amdgpu_vm_update_range)."""
    rig.map_page(VA, 0)
    made = space(rig)
    assert made.walk(VA).kind is EntryKind.NONE
    rig.map_page(VA, DATA_AT | RW)
    assert made.walk(VA).address == DATA_AT


def test_the_place_of_a_table_is_kept_until_the_flush(rig: Rig) -> None:
    """A directory that was switched to a new table goes on with the old one, for other pages of the table as well."""
    rig.map_page(VA, DATA_AT | RW)
    made = space(rig)
    made.walk(VA)
    new_table = TABLES_AT + 0x8000
    rig.set_entry(new_table, VA + 0x1000 >> 12 & 511, IB_AT | RW)
    rig.set_entry(TABLES_AT + 0x3000, VA + 0x1000 >> 12 & 511, DATA_AT + 0x1000 | RW)
    rig.set_entry(TABLES_AT + 0x2000, VA >> 21 & 511, new_table | VALID)
    assert made.walk(VA + 0x1000).address == DATA_AT + 0x1000
    rig.flush(1)
    assert made.walk(VA + 0x1000).address == IB_AT


def test_only_what_is_asked_for_is_invalidated(rig: Rig) -> None:
    """A request for page entries alone leaves the places of tables."""
    rig.map_page(VA, DATA_AT | RW)
    made = space(rig)
    made.walk(VA)
    rig.set_entry(TABLES_AT + 0x2000, VA >> 21 & 511, 0)
    rig.map_page(VA + (1 << 40), DATA_AT | RW, root=TABLES_AT + 0x10000)
    rig.write("GC", "VM_INVALIDATE_ENG0_REQ", 1 << 18 | 1 << 22 | 1 << 1)
    assert made.walk(VA).kind is EntryKind.VALID, "its table is still known"
    rig.write("GC", "VM_INVALIDATE_ENG0_REQ", 0b1110 << 18 | 1 << 18 | 1 << 1)
    assert made.walk(VA).kind is EntryKind.NONE


def test_a_fragment_is_one_translation(rig: Rig) -> None:
    """Sixteen entries that continue each other are found by one look, from any of them, up to the fragment's end."""
    first = VA & ~0xFFFF
    for n in range(16):
        rig.map_page(first + 0x1000 * n, DATA_AT + 0x1000 * n | RW | 4 << 7)
    made = space(rig)
    found = made.walk(first + 0x3010)
    assert (found.address, found.length) == (DATA_AT + 0x3010, 0xCFF0)
    rig.map_page(first + 0xF000, 0)
    assert made.walk(first + 0xF000).address == DATA_AT + 0xF000
    assert "fragment" not in rig.said()


def test_a_fragment_need_not_be_aligned_in_memory(rig: Rig) -> None:
    """The driver goes by the virtual address alone (amdgpu_vm_pte_fragment)."""
    first = VA & ~0xFFFF
    for n in range(16):
        rig.map_page(first + 0x1000 * n, DATA_AT + 0x3000 + 0x1000 * n | RW | 4 << 7)
    assert space(rig).walk(first + 0x5000).address == DATA_AT + 0x8000


def test_entries_of_a_fragment_that_differ_are_told(rig: Rig) -> None:
    """Where an entry says "and my neighbours" and they are something else, hardware may do either: the log says so."""
    first = VA & ~0xFFFF
    for n in range(16):
        rig.map_page(first + 0x1000 * n, DATA_AT + 0x1000 * n | RW | 4 << 7)
    rig.map_page(first + 0x4000, PRT)
    made = space(rig)
    assert made.walk(first).length == 0x1000
    assert "of a fragment of 16 entries, but entry" in rig.said()
    assert made.walk(first + 0x4000).kind is EntryKind.PRT


def test_the_addresses_of_a_prt_fragment_mean_nothing(rig: Rig) -> None:
    """The driver counts up what it writes for PRT too (amdgpu_vm_pte_update_flags)."""
    first = VA & ~0xFFFF
    for n in range(16):
        rig.map_page(first + 0x1000 * n, PRT | 0x7000 + 0x1000 * n | 4 << 7)
    found = space(rig).walk(first + 0x2000)
    assert (found.kind, found.length) == (EntryKind.PRT, 0xE000)
    assert "fragment" not in rig.said()


def test_tables_that_point_to_themselves_or_nowhere_end(rig: Rig) -> None:
    """Hostile tables: a walk has as many steps as there are levels, whatever is in memory."""
    for level in range(4):
        for index in range(512):
            rig.set_entry(TABLES_AT + 0x1000 * level, index, TABLES_AT | VALID)
    assert space(rig).walk(VA).kind is EntryKind.VALID
    rig.set_tables(2, 0xFFFF_FFFF_F000)
    assert rig.gpu.gfxhub.spaces[2].walk(VA).kind is EntryKind.NONE
