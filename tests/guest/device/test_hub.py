# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from amdgpu_hw.gpu_model.translation import EntryKind

from .rig import DATA_AT, FB_BASE, IB_AT, IH_WPTR_AT, RAM_AT, RW, SYSTEM, TABLES_AT, VRAM, Rig, lo_hi, mc

HUBS = [("gfxhub", "GC", 0x1B), ("mmhub", "MMHUB", 0x12)]
VA = 0x40_0000


def test_the_system_aperture_is_vram(rig: Rig) -> None:
    """VMID 0: from MC_VM_FB_LOCATION_BASE to _TOP an address is an offset in VRAM."""
    system = rig.gpu.gfxhub.translator(0)
    found = system.walk(mc(0x1234))
    assert (found.kind, found.address, found.length) == (EntryKind.VALID, 0x1234, VRAM - 0x1234)
    assert rig.read("GC", "MC_VM_FB_LOCATION_TOP") == FB_BASE + VRAM - 1 >> 24
    assert system.walk(mc(VRAM)).kind is EntryKind.NONE


def test_the_agp_aperture_is_ram(rig: Rig) -> None:
    """From MC_VM_AGP_BOT to _TOP an address is one of the bus, from MC_VM_AGP_BASE on."""
    rig.write("GC", "MC_VM_AGP_BOT", 0xFFF0_0000_0000 >> 24)
    rig.write("GC", "MC_VM_AGP_TOP", 0xFFF0_FFFF_FFFF >> 24)
    rig.write("GC", "MC_VM_AGP_BASE", 1)
    rig.write("GC", "MC_VM_SYSTEM_APERTURE_HIGH_ADDR", 0xFFF0_FFFF_FFFF >> 18)
    assert rig.gpu.gfxhub.translator(0).walk(0xFFF0_0000_1000).address == 1 << 56 | 0x100_1000


def test_the_gart_is_one_table(rig: Rig) -> None:
    """VMID 0 outside of the aperture: a table without directories, from the context's start on."""
    rig.write("GC", "VM_CONTEXT0_CNTL", 1)
    rig.write("GC", "VM_CONTEXT0_PAGE_TABLE_BASE_ADDR_LO32", TABLES_AT | 1)
    rig.write("GC", "VM_CONTEXT0_PAGE_TABLE_START_ADDR_LO32", 0x100)
    rig.write("GC", "VM_CONTEXT0_PAGE_TABLE_END_ADDR_LO32", 0x1FF)
    rig.set_entry(TABLES_AT, 3, RAM_AT | RW | SYSTEM)
    system = rig.gpu.gfxhub.translator(0)
    assert system.walk(0x10_3010).address == 1 << 56 | RAM_AT + 0x10
    assert system.walk(0x10_4000).kind is EntryKind.NONE
    assert system.walk(0x20_0000).kind is EntryKind.NONE


@pytest.mark.parametrize(("_name", "block", "_client"), HUBS)
def test_an_engine_is_taken_by_its_semaphore(rig: Rig, _name: str, block: str, _client: int) -> None:
    """gmc_v9_0_flush_gpu_tlb: a read of 1 takes it, further reads give 0, a write of 0 gives it back."""
    assert [rig.read(block, "VM_INVALIDATE_ENG17_SEM") for _ in range(2)] == [1, 0]
    rig.write(block, "VM_INVALIDATE_ENG17_SEM", 0)
    assert rig.read(block, "VM_INVALIDATE_ENG17_SEM") == 1
    assert rig.read(block, "VM_INVALIDATE_ENG16_SEM") == 1


def fault(rig: Rig, block: str, write: bool = False) -> None:
    """Have a client's buffer of VMID 5 touch a page that is not mapped."""
    rig.set_tables(5, TABLES_AT)
    rig.map_page(VA, IB_AT | RW)
    if block == "GC":
        rig.start_gfx()
        body = (
            [0xC003_3700, 5 << 8, VA + 0x7000, 0, 1]
            if write
            else [0xC004_4000, 1 | 5 << 8, VA + 0x7000, 0, VA + 0x800, 0]
        )
        rig.put(IB_AT, body)
        rig.submit("gfx", [0xC002_3F00, VA, 0, len(body) | 5 << 24])
    else:
        rig.start_sdma()
        body = [5, VA + 0x7000, 0, 1] if write else [1, 3, 0, VA + 0x7000, 0, VA + 0x800, 0]
        body += [0] * (-len(body) % 8)
        rig.put(IB_AT, body)
        rig.submit("sdma", [4 | 5 << 16, VA, 0, len(body), 0, 0])


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize(("_name", "block", "client"), HUBS)
def test_a_fault_is_told_as_the_driver_expects(rig: Rig, _name: str, block: str, client: int, write: bool) -> None:
    """gmc_v9_0_process_interrupt: client, source 0, VMID, hub, PASID, page; and the status register."""
    suffix = "" if block == "GC" else "_MM"
    rig.write("OSSSYS", f"IH_VMID_5_LUT{suffix}", 0x8005)
    fault(rig, block, write)
    entry = rig.entries()[0]
    assert (entry[0] & 0xFF, entry[0] >> 8 & 0xFF) == (client, 0)
    assert entry[0] >> 24 & 0xF == 5
    assert entry[0] >> 31 == (block == "MMHUB")
    assert entry[3] & 0xFFFF == 0x8005
    assert entry[4] == VA + 0x7000 >> 12
    assert bool(entry[5] & 0x20) == write
    status = rig.read(block, "VM_L2_PROTECTION_FAULT_STATUS")
    assert (status >> 20 & 0xF, status >> 18 & 1, status >> 4 & 0xF) == (5, write, 5 if write else 3)
    assert rig.read(block, "VM_L2_PROTECTION_FAULT_ADDR_LO32") == VA + 0x7000 >> 12
    assert "fault: " in rig.said()


def test_the_first_fault_is_kept_until_the_driver_clears_it(rig: Rig) -> None:
    """A second fault sets MORE_FAULTS, and interrupts all the same; VM_L2_PROTECTION_FAULT_CNTL bit 0 clears."""
    fault(rig, "GC")
    first = rig.read("GC", "VM_L2_PROTECTION_FAULT_STATUS")
    rig.submit("gfx", [0xC002_3F00, VA, 0, 6 | 5 << 24])
    assert rig.read("GC", "VM_L2_PROTECTION_FAULT_STATUS") == first | 1
    assert len(rig.entries()) == 2
    rig.write("GC", "VM_L2_PROTECTION_FAULT_CNTL", 1)
    assert rig.read("GC", "VM_L2_PROTECTION_FAULT_STATUS") == 0


def test_a_fault_that_is_not_wanted_does_not_interrupt(rig: Rig) -> None:
    """VM_CONTEXTn_CNTL.VALID_PROTECTION_FAULT_ENABLE_INTERRUPT."""
    rig.write("GC", "VM_CONTEXT5_CNTL", 1 | 3 << 1)
    fault(rig, "GC")
    assert rig.u32(IH_WPTR_AT) == 0
    assert rig.read("GC", "VM_L2_PROTECTION_FAULT_STATUS")


def test_an_entry_without_the_right_is_a_fault(rig: Rig) -> None:
    """A page that may only be read: a write is dropped, and told as a permission fault."""
    rig.start_sdma()
    rig.set_tables(5, TABLES_AT)
    rig.map_page(VA, IB_AT | RW)
    rig.map_page(VA + 0x1000, DATA_AT | RW & ~(1 << 6))
    rig.put(IB_AT, [5, VA + 0x1000, 0, 1, 0, 0, 0, 0])
    rig.submit("sdma", [4 | 5 << 16, VA, 0, 8, 0, 0])
    assert rig.u32(DATA_AT) == 0
    assert rig.read("MMHUB", "VM_L2_PROTECTION_FAULT_STATUS") >> 4 & 0xF == 4


def test_a_mapped_page_without_memory_is_refused(rig: Rig) -> None:
    """An entry that points to RAM that was not given to us: nothing is touched, the log says where."""
    rig.start_sdma()
    rig.set_tables(5, TABLES_AT)
    rig.map_page(VA, IB_AT | RW)
    rig.map_page(VA + 0x1000, 0x7777_0000_0000 | RW | SYSTEM)
    rig.put(IB_AT, [5, VA + 0x1000, 0, 1, 0, 0, 0, 0])
    rig.submit("sdma", [4 | 5 << 16, VA, 0, 8, 0, 0, 5, *lo_hi(mc(DATA_AT)), 9])
    assert "refused: write of SDMA" in rig.said()
    assert rig.u32(DATA_AT) == 9, "the engine goes on"
