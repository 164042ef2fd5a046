# SPDX-License-Identifier: MIT
"""The SMU of Navi31, asked as smu_v13_0_0_ppt.c asks it, where it differs from Navi21's."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity

from .rig import DATA_AT, FB_BASE, Rig, a_rig
from .test_smu import (
    DRAM_HIGH,
    DRAM_LOW,
    ENABLE_ALL,
    FAILED,
    FREQ_BY_INDEX,
    FROM_DRAM,
    INTERFACE,
    METRICS,
    OK,
    PPTABLE,
    RUNNING_LOW,
    TO_DRAM,
    UNKNOWN,
    send,
)

TABLE_AT = 0x9_0000
COMBINED, DRIVER_CONFIG = 1, 6
PPTABLE_IN_COMBINED, PPTABLE_SIZE = 832, 3972
DEBUG_MODE1_RESET = 2
IDENTITY = load_identity("navi31")
ENGINE, MEMORY = ([khz // 1000 for khz in clock] for clock in (IDENTITY.clocks.engine, IDENTITY.clocks.memory))


@pytest.fixture
def navi31() -> Iterator[Rig]:
    """A Navi31 that was told where the driver's table is."""
    with a_rig("navi31") as rig:
        assert send(rig, DRAM_HIGH, FB_BASE + TABLE_AT >> 32)[0] == OK
        assert send(rig, DRAM_LOW, FB_BASE + TABLE_AT & 0xFFFF_FFFF)[0] == OK
        yield rig


def set_up(rig: Rig) -> None:
    """smu_v13_0_0_setup_pptable, smu_write_pptable: the board's table comes from the firmware, and goes back."""
    assert send(rig, TO_DRAM, COMBINED)[0] == OK
    rig.gpu.memory.write(TABLE_AT, rig.vram(TABLE_AT + PPTABLE_IN_COMBINED, PPTABLE_SIZE))
    assert send(rig, FROM_DRAM, PPTABLE)[0] == OK
    for message in (4, 5):
        assert send(rig, message, 0xFFFF_FFFF)[0] == OK
    assert send(rig, ENABLE_ALL)[0] == OK


def test_it_has_the_interface_of_the_driver(navi31: Rig) -> None:
    """SMU13_0_0_DRIVER_IF_VERSION: another one is warned about."""
    assert send(navi31, INTERFACE) == (OK, 0x3D)


def test_the_boards_table_is_the_firmwares(navi31: Rig) -> None:
    """smu_13_0_0_powerplay_table with a PPTable_t in it: clocks of the TOML file, and no other feature than theirs."""
    assert send(navi31, TO_DRAM, COMBINED)[0] == OK
    pptable = navi31.vram(TABLE_AT + PPTABLE_IN_COMBINED, PPTABLE_SIZE)
    assert struct.unpack_from("<I", pptable)[0] == 0x2B
    assert struct.unpack_from("<2H", pptable, 684) == tuple(ENGINE)
    assert struct.unpack_from("<2H", pptable, 764) == tuple(MEMORY)


def test_levels_and_metrics_are_those_of_the_table(navi31: Rig) -> None:
    """smu_v13_0_set_single_dpm_table, smu_v13_0_0_get_smu_metrics_data: idle, so the lowest clocks."""
    set_up(navi31)
    assert send(navi31, RUNNING_LOW)[1] == 1 << 1 | 1 << 3
    assert [send(navi31, FREQ_BY_INDEX, 2 << 16 | level) for level in range(2)] == [(OK, mhz) for mhz in MEMORY]
    assert send(navi31, TO_DRAM, METRICS)[0] == OK
    metrics = navi31.vram(TABLE_AT, 392)
    assert struct.unpack_from("<3I", metrics) == (ENGINE[0], 0, MEMORY[0])
    assert struct.unpack_from("<H", metrics, 120)[0] == IDENTITY.sensors.temperature
    assert struct.unpack_from("<H", metrics, 84)[0] == IDENTITY.sensors.vddgfx


def test_tables_and_messages_of_navi21_are_not_there(navi31: Rig) -> None:
    """DriverSmuConfig; and what is not modelled is answered as unknown, with its name in the log."""
    assert send(navi31, FROM_DRAM, DRIVER_CONFIG)[0] == FAILED
    assert send(navi31, 0x41)[0] == UNKNOWN
    assert "SetGpoAllow" in navi31.said()


@pytest.mark.parametrize("message", [0x3B, 0x4E])
def test_what_a_driver_cannot_go_on_without_is_taken(navi31: Rig, message: int) -> None:
    """SetExternalClientDfCstateAllow before a reset, DALNotPresent at set-up (smu_v13_0_notify_display_change)."""
    assert send(navi31, message)[0] == OK


def test_mode_1_reset_comes_through_the_second_mailbox(navi31: Rig) -> None:
    """smu_v13_0_0_mode1_reset: nobody answers; later VRAM is lost."""
    navi31.put(DATA_AT, [0x1234])
    navi31.write("MP1", "MP1_SMN_C2PMSG_75", DEBUG_MODE1_RESET + 1)
    navi31.run()
    assert navi31.u32(DATA_AT) == 0x1234
    assert "not modelled: SMU debug message 0x3" in navi31.said()
    navi31.write("MP1", "MP1_SMN_C2PMSG_75", DEBUG_MODE1_RESET)
    navi31.run()
    assert "mode 1 reset" in navi31.said()
