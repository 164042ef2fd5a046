# SPDX-License-Identifier: MIT
from __future__ import annotations

from .rig import DATA_AT, RPTR_AT, SDMA_AT, Rig, lo_hi, mc

FENCE = 5


def test_a_queue_runs_while_it_is_enabled(rig: Rig) -> None:
    """RB_CNTL.RB_ENABLE: the doorbell is heard only then; off and on begins at RB_RPTR."""
    rig.start_sdma()
    rig.submit("sdma", [FENCE, *lo_hi(mc(DATA_AT)), 1])
    assert rig.u32(DATA_AT) == 1
    assert rig.read("SDMA0", "SDMA0_GFX_RB_RPTR") == 16
    rig.write("SDMA0", "SDMA0_GFX_RB_CNTL", 0)
    assert rig.read("SDMA0", "SDMA0_GFX_RB_RPTR") == 16
    rig.submit("sdma", [FENCE, *lo_hi(mc(DATA_AT)), 2])
    assert rig.u32(DATA_AT) == 1


def test_the_read_pointer_is_written_back_in_bytes(rig: Rig) -> None:
    """sdma_v4_0_ring_get_rptr reads 64 bits and shifts them."""
    rig.start_sdma()
    rig.submit("sdma", [FENCE, *lo_hi(mc(DATA_AT)), 1, 0, 0])
    assert rig.u32(RPTR_AT + 64) == 24


def test_a_halted_engine_stands(rig: Rig) -> None:
    """F32_CNTL.HALT (sdma_v4_0_enable): nothing is executed until it is taken back."""
    rig.start_sdma()
    rig.write("SDMA0", "SDMA0_F32_CNTL", 1)
    rig.submit("sdma", [FENCE, *lo_hi(mc(DATA_AT)), 1])
    assert rig.u32(DATA_AT) == 0
    rig.write("SDMA0", "SDMA0_F32_CNTL", 0)
    rig.run()
    assert rig.u32(DATA_AT) == 1


def test_an_engine_is_idle_when_it_has_read_all(rig: Rig) -> None:
    """SDMA0_STATUS_REG.IDLE (sdma_v4_0_is_idle)."""
    rig.start_sdma()
    assert rig.read("SDMA0", "SDMA0_STATUS_REG") & 1
    rig.submit("sdma", [8 | 3 << 28, rig.at("GC", "SCRATCH_REG1") << 2, 0, 1, 1, 0xFFF << 16])
    assert not rig.read("SDMA0", "SDMA0_STATUS_REG") & 1
    rig.write("GC", "SCRATCH_REG1", 1)
    rig.run()
    assert rig.read("SDMA0", "SDMA0_STATUS_REG") & 1


def test_an_engine_that_hangs_comes_back(rig: Rig) -> None:
    """sdma_v4_0_start after a reset of the GPU: off, pointers to 0, on, and it executes again."""
    rig.start_sdma()
    rig.submit("sdma", [0xEE, 0])
    assert "sdma0 hangs" in rig.said()
    rig.write("SDMA0", "SDMA0_GFX_RB_CNTL", 0)
    rig.forget("sdma")
    rig.start_sdma()
    rig.submit("sdma", [FENCE, *lo_hi(mc(DATA_AT)), 7])
    assert rig.u32(DATA_AT) == 7


def test_the_page_queue_tells_its_ring(rig: Rig) -> None:
    """Its TRAP has ring 3 (sdma_v4_0_process_trap_irq)."""
    base = mc(SDMA_AT + 0x4000) >> 8
    for name, value in (
        ("RB_BASE", base & 0xFFFFFFFF), ("RB_BASE_HI", base >> 32),
        ("DOORBELL", 1 << 28), ("DOORBELL_OFFSET", 0x5E0 << 2), ("RB_CNTL", 10 << 1 | 1),
    ):  # fmt: skip
        rig.write("SDMA0", f"SDMA0_PAGE_{name}", value)
    rig.write("SDMA0", "SDMA0_F32_CNTL", 0)
    rig.put(SDMA_AT + 0x4000, [6, 0])
    rig.gpu.ring_doorbell(0x5E0, 8)
    rig.run()
    (entry,) = rig.entries()
    assert entry[0] & 0xFFFFFF == 0x08 | 224 << 8 | 3 << 16


def test_without_doorbell_the_register_counts(rig: Rig) -> None:
    """sdma_v4_0_ring_set_wptr without doorbell writes RB_WPTR."""
    rig.start_sdma()
    rig.write("SDMA0", "SDMA0_GFX_DOORBELL", 0)
    rig.put(SDMA_AT, [FENCE, *lo_hi(mc(DATA_AT)), 3])
    rig.write("SDMA0", "SDMA0_GFX_RB_WPTR", 16)
    rig.run()
    assert rig.u32(DATA_AT) == 3


def test_a_job_waits_for_another_engines(rig: Rig) -> None:
    """Engines run side by side: one that polls memory goes on when the other has written it."""
    rig.start_sdma()
    rig.start_gfx()
    rig.submit(
        "sdma",
        [8 | 3 << 28 | 1 << 31, *lo_hi(mc(DATA_AT)), 5, 0xFFFFFFFF, 0xFFF << 16, FENCE, *lo_hi(mc(DATA_AT + 4)), 6],
    )
    assert rig.u32(DATA_AT + 4) == 0
    rig.submit("gfx", [0xC003_3700, 5 << 8, *lo_hi(mc(DATA_AT)), 5])
    assert rig.u32(DATA_AT + 4) == 6
