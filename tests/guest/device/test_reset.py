# SPDX-License-Identifier: MIT
"""A reset of the function: the GPU is as after power-up, whatever the driver had done and whatever was in flight."""

from __future__ import annotations

import random

import pytest

from amdgpu_hw.gpu_model.translation import EntryKind
from amdgpu_hw.guest.device.function import REGISTERS_SIZE
from amdgpu_hw.guest.device.gpu import GENERATIONS

from .rig import DATA_AT, DOORBELLS, RW, TABLES_AT, Rig, a_rig, lo_hi, mc

CLOCKS = ("CLOCK_COUNT", "GOLDEN_TSC", "GPU_CLOCK")
"""Registers that go on counting."""
VA = 0x40_0000


def registers(rig: Rig) -> dict[str, int]:
    """What every register that is modelled reads as, but for clocks and what reading changes."""
    table = rig.registers.table
    return {
        table.name(offset): rig.registers.read(offset)
        for offset in range(REGISTERS_SIZE // 4)
        if offset in table and not any(word in table.name(offset) for word in (*CLOCKS, "_SEM"))
    }


@pytest.mark.parametrize("gpu", sorted(GENERATIONS))
def test_every_register_has_its_value_after_power_up(gpu: str) -> None:
    """After nonsense in all of them, in every bank."""
    draw = random.Random(gpu)
    new, used = Rig(gpu), Rig(gpu)
    try:
        for _ in range(2):
            for offset in range(REGISTERS_SIZE // 4):
                if offset in used.registers.table:
                    used.registers.write(offset, draw.getrandbits(32))
        used.run(20)
        before = registers(used)
        used.gpu.reset()
        after, wanted = registers(used), registers(new)
        assert before != wanted, "it was used"
        assert {name: value for name, value in after.items() if value != wanted[name]} == {}
        for bank in range(1 << 11):
            for rig in (new, used):
                rig.write("GC", "GRBM_GFX_CNTL", bank)
            assert used.read("GC", "CP_HQD_ACTIVE") == new.read("GC", "CP_HQD_ACTIVE") == 0
    finally:
        new.close()
        used.close()


def test_registers_behind_a_window_are_as_after_power_up() -> None:
    """SMN registers, through PCIE_INDEX2 and PCIE_DATA2."""
    with a_rig() as rig:
        rig.write("NBIO", "PCIE_INDEX2", 0x1118_0070)
        rig.write("NBIO", "PCIE_DATA2", 0x55)
        assert rig.read("NBIO", "PCIE_DATA2") == 0x55
        rig.gpu.reset()
        rig.write("NBIO", "PCIE_INDEX2", 0x1118_0070)
        assert rig.read("NBIO", "PCIE_DATA2") == 0


def test_what_was_in_flight_never_comes_out() -> None:
    """A wait, half of a copy, doorbells that waited, what comes behind them: no byte and no interrupt of them."""
    with a_rig() as rig:
        rig.start_gfx()
        rig.submit("gfx", [0xC005_3C00, 3 | 1 << 4, *lo_hi(mc(DATA_AT + 64)), 1, 0xFFFF_FFFF, 4])
        rig.submit("gfx", [0xC003_3700, 5 << 8, *lo_hi(mc(DATA_AT)), 0xB22])
        rig.start_sdma()
        rig.submit("sdma", [11 | 2 << 30, *lo_hi(mc(0x100_0000)), 7, (1 << 22) - 1] * 20, run=False)
        rig.submit("sdma", [5, *lo_hi(mc(DATA_AT)), 0xA11, 6, 0], run=False)
        rig.gpu.work.run(3)
        rig.gpu.reset()
        rig.gpu.memory.write(0x100_0000, bytes(1 << 22))
        rig.put(DATA_AT + 64, [1])
        rig.enable_hubs()
        rig.enable_interrupts()
        interrupts = rig.interrupts
        rig.run()
        assert rig.vram(0x100_0000, 1 << 22) == bytes(1 << 22)
        assert rig.u32(DATA_AT) == 0
        assert rig.interrupts == interrupts
        assert rig.gpu.gfx.queues() == []
        rig.gpu.ring_doorbell(DOORBELLS["sdma"], 64)
        rig.run()
        assert "belongs to no queue that is on" in rig.said()


def test_interrupts_that_nobody_read_do_not_keep_later_ones_back() -> None:
    """The interrupt ring begins anew, and the first entry is told."""
    with a_rig() as rig:
        rig.start_sdma()
        rig.submit("sdma", [6, 0, 6, 1])
        assert rig.interrupts == 1, "the second is told when the first was read"
        rig.gpu.reset()
        rig.forget("sdma")
        rig.enable_hubs()
        rig.enable_interrupts()
        rig.start_sdma()
        rig.submit("sdma", [6, 7])
        assert rig.interrupts == 2
        assert [entry[4] for entry in rig.entries()] == [7]


def test_translations_are_forgotten() -> None:
    """What a TLB had of the tables of before is nobody's."""
    with a_rig() as rig:
        rig.set_tables(1, TABLES_AT)
        rig.map_page(VA, DATA_AT | RW)
        space = rig.gpu.mmhub.translator(1)
        assert space.walk(VA).kind is EntryKind.VALID
        rig.gpu.reset()
        rig.enable_hubs()
        rig.set_tables(1, TABLES_AT)
        assert space.walk(VA).kind is EntryKind.NONE
