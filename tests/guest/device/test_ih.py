# SPDX-License-Identifier: MIT
from __future__ import annotations

from amdgpu_hw.guest.device.interrupts import Interrupt

from .rig import DOORBELLS, IH_AT, IH_WPTR_AT, RAM_AT, Rig


def raise_one(rig: Rig, source: int = 1) -> None:
    """Have the GPU raise an interrupt."""
    rig.gpu.ih.raise_interrupt(Interrupt(0x14, source, 4, pasid=9, data=(1, 2, 3, 4)))


def test_an_entry_is_what_the_driver_decodes(rig: Rig) -> None:
    """amdgpu_ih_decode_iv_helper: client, source, ring; time stamp; PASID; four dwords of data."""
    raise_one(rig)
    (entry,) = rig.entries()
    assert entry[0] == 0x14 | 1 << 8 | 4 << 16
    assert entry[1] | entry[2] << 32
    assert entry[3] == 9
    assert entry[4:] == (1, 2, 3, 4)
    assert rig.interrupts == 1


def test_the_driver_is_interrupted_once_until_it_has_read(rig: Rig) -> None:
    """Ten entries, one MSI; a read pointer behind the end brings another one, so that none is missed."""
    for _ in range(10):
        raise_one(rig)
    assert (rig.u32(IH_WPTR_AT), rig.interrupts) == (320, 1)
    rig.gpu.ring_doorbell(DOORBELLS["ih"], 160)
    assert rig.interrupts == 2
    rig.gpu.ring_doorbell(DOORBELLS["ih"], 320)
    assert rig.interrupts == 2
    raise_one(rig)
    assert rig.interrupts == 3


def test_the_ring_wraps(rig: Rig) -> None:
    """The entry behind the last one is the first one."""
    for source in range(70):
        raise_one(rig, source)
        rig.gpu.ring_doorbell(DOORBELLS["ih"], rig.u32(IH_WPTR_AT))
    assert rig.u32(IH_WPTR_AT) == 70 % 64 * 32
    assert rig.u32(IH_AT + 5 * 32) >> 8 & 0xFF == 69


def test_a_full_ring_drops_and_says_so(rig: Rig) -> None:
    """Entries that were not read are never overwritten."""
    for source in range(80):
        raise_one(rig, source)
    assert rig.u32(IH_WPTR_AT) == 63 * 32
    assert rig.u32(IH_AT) >> 8 & 0xFF == 0
    assert "the interrupt ring is full" in rig.said()


def test_nothing_is_written_while_the_ring_is_off(rig: Rig) -> None:
    """RB_ENABLE off: no entry; ENABLE_INTR off: an entry, but no MSI."""
    cntl = rig.read("OSSSYS", "IH_RB_CNTL")
    rig.write("OSSSYS", "IH_RB_CNTL", cntl & ~1)
    raise_one(rig)
    assert rig.u32(IH_WPTR_AT) == 0
    rig.write("OSSSYS", "IH_RB_CNTL", cntl & ~(1 << 17))
    raise_one(rig)
    assert (rig.u32(IH_WPTR_AT), rig.interrupts) == (32, 0)


def test_the_ring_may_be_in_the_guests_ram(rig: Rig) -> None:
    """MC_SPACE other than 4: bus addresses, as the driver uses them without passthrough."""
    cntl = rig.read("OSSSYS", "IH_RB_CNTL")
    rig.write("OSSSYS", "IH_RB_BASE", RAM_AT >> 8)
    rig.write("OSSSYS", "IH_RB_BASE_HI", RAM_AT >> 40)
    rig.write("OSSSYS", "IH_RB_WPTR_ADDR_LO", RAM_AT + 0x8000 & 0xFFFFFFFF)
    rig.write("OSSSYS", "IH_RB_WPTR_ADDR_HI", RAM_AT >> 32)
    rig.write("OSSSYS", "IH_RB_CNTL", cntl & ~(7 << 28) | 1 << 28)
    raise_one(rig)
    assert rig.ram[0:2] == b"\x14\x01"
    assert rig.ram[0x8000:0x8004] == b"\x20\0\0\0"


def test_registers_show_the_pointers(rig: Rig) -> None:
    """IH_RB_WPTR reads as far as was written; writing the pointers sets them (vega10_ih_enable_ring)."""
    raise_one(rig)
    assert rig.read("OSSSYS", "IH_RB_WPTR") == 32
    rig.write("OSSSYS", "IH_RB_RPTR", 32)
    assert rig.read("OSSSYS", "IH_RB_RPTR") == 32
    rig.write("OSSSYS", "IH_RB_WPTR", 0)
    assert rig.read("OSSSYS", "IH_RB_WPTR") == 0
