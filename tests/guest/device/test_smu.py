# SPDX-License-Identifier: MIT
"""The SMU of Navi21, asked as smu_cmn.c and sienna_cichlid_ppt.c ask it."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.guest.device.atombios import build_rom
from amdgpu_hw.guest.device.gpu import GENERATIONS

from .rig import DATA_AT, FB_BASE, VRAM, Rig, a_rig

OK, FAILED, UNKNOWN = 0x1, 0xFF, 0xFE
TABLE_AT = 0x9_0000
(
    TEST, VERSION, INTERFACE, ALLOW_LOW, ALLOW_HIGH, ENABLE_ALL, DISABLE_ALL, ENABLE_LOW, ENABLE_HIGH, DISABLE_LOW,
    DISABLE_HIGH, RUNNING_LOW, RUNNING_HIGH, DRAM_HIGH, DRAM_LOW,
) = range(1, 16)  # fmt: skip
TO_DRAM, FROM_DRAM, SOFT_MIN, SOFT_MAX, MIN_FREQ, MAX_FREQ, FREQ_BY_INDEX = 0x12, 0x13, 0x19, 0x1A, 0x1D, 0x1E, 0x1F
ENTER_BACO, DC_MAX, UNLOAD, MODE1_RESET, NOTIFY_POWER_SOURCE = 0x15, 0x26, 0x2E, 0x30, 0x35
PPTABLE, METRICS, DRIVER_CONFIG, OVERDRIVE = 0, 5, 6, 8
GFXCLK, SOCCLK, UCLK = 0, 1, 2
DPM_GFXCLK, DPM_UCLK = 1 << 1, 1 << 3
IDENTITY = load_identity("navi21")
ENGINE, MEMORY = ([khz // 1000 for khz in clock] for clock in (IDENTITY.clocks.engine, IDENTITY.clocks.memory))


@pytest.fixture
def navi21() -> Iterator[Rig]:
    """A Navi21 whose hubs are on."""
    with a_rig("navi21") as made:
        yield made


def send(rig: Rig, message: int, argument: int = 0) -> tuple[int, int]:
    """__smu_msg_v1_send: response and argument afterwards."""
    rig.write("MP1", "MP1_SMN_C2PMSG_90", 0)
    rig.write("MP1", "MP1_SMN_C2PMSG_82", argument)
    rig.write("MP1", "MP1_SMN_C2PMSG_66", message)
    return rig.read("MP1", "MP1_SMN_C2PMSG_90"), rig.read("MP1", "MP1_SMN_C2PMSG_82")


def powerplay_table() -> tuple[bytes, bytes]:
    """smu_v11_0_setup_pptable: the driver's part of the BIOS table and PPTable_t behind it."""
    rom = build_rom(IDENTITY, GENERATIONS["navi21"].bios, 0)
    header = int.from_bytes(rom[0x48:0x4A], "little")
    data = int.from_bytes(rom[header + 0x20 : header + 0x22], "little")
    at = int.from_bytes(rom[data + 4 + 2 * 15 : data + 6 + 2 * 15], "little")
    size, revision, minor = struct.unpack_from("<HBB", rom, at)
    assert (size, revision, minor) == (2470, 15, 0), "struct smu_11_0_7_powerplay_table"
    return rom[at : at + 802], rom[at + 802 : at + size]


def set_up(rig: Rig) -> None:
    """smu_smc_hw_setup: tables, allowed features, all that is allowed on."""
    at = FB_BASE + TABLE_AT
    assert send(rig, DRAM_HIGH, at >> 32)[0] == OK
    assert send(rig, DRAM_LOW, at & 0xFFFFFFFF)[0] == OK
    rig.gpu.memory.write(TABLE_AT, powerplay_table()[1])
    assert send(rig, FROM_DRAM, PPTABLE)[0] == OK
    assert send(rig, ALLOW_HIGH, 0xFFFFFFFF)[0] == send(rig, ALLOW_LOW, 0xFFFFFFFF)[0] == OK
    assert send(rig, ENABLE_ALL)[0] == OK


def test_it_tells_its_versions(navi21: Rig) -> None:
    """smu_cmn_get_smc_version: the firmware's is the TOML file's, the tables' that of the driver."""
    assert send(navi21, TEST, 41) == (OK, 42)
    assert send(navi21, VERSION) == (OK, IDENTITY.firmware["smc"][0])
    assert send(navi21, INTERFACE) == (OK, 0x40)


def test_what_is_not_modelled_is_unknown_and_named(navi21: Rig) -> None:
    """The driver gets EOPNOTSUPP; a number that the firmware does not have is answered likewise."""
    assert send(navi21, ENTER_BACO, 3)[0] == UNKNOWN
    assert send(navi21, 0x99)[0] == UNKNOWN
    assert "SMU EnterBaco (0x15), argument 0x3" in navi21.said()
    assert "SMU message 0x99" in navi21.said()


def test_features_are_those_of_the_table_that_the_driver_allows(navi21: Rig) -> None:
    """None before the table is there, none that was not allowed, none after DisableAllSmuFeatures."""
    send(navi21, ALLOW_LOW, 0xFFFFFFFF)
    send(navi21, ENABLE_ALL)
    assert send(navi21, RUNNING_LOW) == (OK, 0)
    set_up(navi21)
    assert send(navi21, RUNNING_LOW) == (OK, DPM_GFXCLK | DPM_UCLK)
    assert send(navi21, RUNNING_HIGH) == (OK, 0)
    send(navi21, DISABLE_LOW, DPM_UCLK)
    assert send(navi21, RUNNING_LOW) == (OK, DPM_GFXCLK)
    send(navi21, ENABLE_LOW, 0xFFFFFFFF)
    send(navi21, ENABLE_HIGH, 0xFFFFFFFF)
    assert send(navi21, RUNNING_LOW) == (OK, DPM_GFXCLK | DPM_UCLK)
    assert send(navi21, RUNNING_HIGH) == (OK, 0)
    send(navi21, ALLOW_LOW, ~DPM_GFXCLK & 0xFFFFFFFF)
    send(navi21, ENABLE_ALL)
    assert send(navi21, RUNNING_LOW) == (OK, DPM_UCLK)
    assert send(navi21, DISABLE_HIGH, 1)[0] == OK
    for off in (DISABLE_ALL, UNLOAD):
        send(navi21, ENABLE_ALL)
        assert send(navi21, off)[0] == OK
        assert send(navi21, RUNNING_LOW) == (OK, 0)


def test_clocks_have_the_levels_of_the_table(navi21: Rig) -> None:
    """smu_v11_0_set_single_dpm_table, smu_v11_0_get_dpm_ultimate_freq; a clock without levels is refused."""
    set_up(navi21)
    for clock, levels in ((GFXCLK, ENGINE), (UCLK, MEMORY)):
        assert send(navi21, FREQ_BY_INDEX, clock << 16 | 0xFF) == (OK, len(levels))
        assert [send(navi21, FREQ_BY_INDEX, clock << 16 | n) for n in range(2)] == [(OK, mhz) for mhz in levels]
        assert send(navi21, FREQ_BY_INDEX, clock << 16 | 2)[0] == FAILED
        assert send(navi21, MIN_FREQ, clock << 16) == (OK, levels[0])
        assert send(navi21, MAX_FREQ, clock << 16) == (OK, levels[-1])
        assert send(navi21, DC_MAX, clock << 16) == (OK, 0)
    for message in (FREQ_BY_INDEX, MIN_FREQ, MAX_FREQ, SOFT_MIN):
        assert send(navi21, message, SOCCLK << 16 | 1)[0] == FAILED


def metrics(rig: Rig) -> bytes:
    """Return SmuMetricsExternal_t (smu_cmn_get_metrics_table)."""
    assert send(rig, TO_DRAM, METRICS)[0] == OK
    return rig.vram(TABLE_AT, 200)


def test_metrics_are_an_idle_gpus(navi21: Rig) -> None:
    """SmuMetrics_V3_t (sienna_cichlid_get_smu_metrics_data): clocks, power and temperatures of the TOML file."""
    set_up(navi21)
    data, sensors = metrics(navi21), IDENTITY.sensors
    clocks = struct.unpack_from("<13I", data)
    assert (clocks[GFXCLK], clocks[UCLK]) == (ENGINE[0], MEMORY[0])
    assert struct.unpack_from("<H", data, 54) == (ENGINE[0],)
    assert struct.unpack_from("<H", data, 72) == (sensors.power,)
    assert struct.unpack_from("<3H", data, 74) == (sensors.temperature,) * 3


@pytest.mark.parametrize(
    ("low", "high", "runs_at"), [(1000, 2000, 1000), (2475, 2475, 2475), (0, 2475, 500), (500, 400, 400)]
)
def test_limits_of_the_driver_move_the_clock(navi21: Rig, low: int, high: int, runs_at: int) -> None:
    """smu_v11_0_set_soft_freq_limited_range: an idle GPU runs as slow as it may."""
    set_up(navi21)
    assert send(navi21, SOFT_MAX, GFXCLK << 16 | high)[0] == send(navi21, SOFT_MIN, GFXCLK << 16 | low)[0] == OK
    assert struct.unpack_from("<I", metrics(navi21)) == (runs_at,)


def test_overdrive_has_the_range_of_the_clocks(navi21: Rig) -> None:
    """sienna_cichlid_set_default_od_settings."""
    set_up(navi21)
    assert send(navi21, TO_DRAM, OVERDRIVE)[0] == OK
    data = navi21.vram(TABLE_AT, 52)
    assert struct.unpack_from("<2H", data) == tuple(ENGINE)
    assert struct.unpack_from("<2H", data, 18) == tuple(MEMORY)


@pytest.mark.parametrize(("message", "table"), [(TO_DRAM, PPTABLE), (TO_DRAM, 11), (FROM_DRAM, METRICS)])
def test_a_table_that_does_not_go_that_way_is_refused(navi21: Rig, message: int, table: int) -> None:
    """And memory stays as it was."""
    set_up(navi21)
    before = navi21.vram(TABLE_AT, 2048)
    assert send(navi21, message, table)[0] == FAILED
    assert navi21.vram(TABLE_AT, 2048) == before
    assert send(navi21, FROM_DRAM, DRIVER_CONFIG)[0] == OK


@pytest.mark.parametrize("address", [0, FB_BASE + VRAM - 64, FB_BASE + VRAM, 1 << 47])
def test_a_table_where_no_memory_is_is_refused(navi21: Rig, address: int) -> None:
    """At address 0 and behind the end of VRAM nothing is mapped; 64 bytes are too few."""
    set_up(navi21)
    send(navi21, DRAM_HIGH, address >> 32)
    send(navi21, DRAM_LOW, address & 0xFFFFFFFF)
    assert send(navi21, TO_DRAM, METRICS)[0] == FAILED
    assert send(navi21, FROM_DRAM, PPTABLE)[0] == FAILED


def test_mode_1_reset_is_answered_and_then_done(navi21: Rig) -> None:
    """smu_v11_0_mode1_reset: response first; within the driver's 500 ms everything is as after power-up."""
    set_up(navi21)
    navi21.start_sdma()
    navi21.put(DATA_AT, [0x1234])
    before = time.monotonic_ns()
    assert send(navi21, MODE1_RESET)[0] == OK
    assert send(navi21, MODE1_RESET)[0] == OK
    assert navi21.u32(DATA_AT) == 0x1234, "not before the driver has its answer"
    deadline = navi21.gpu.timers.next_deadline()
    assert deadline is not None
    assert before < deadline < before + 500_000_000
    navi21.run()
    assert navi21.said().count("mode 1 reset") == 1
    assert navi21.u32(DATA_AT) == 0
    assert not any(engine.queues() for engine in navi21.gpu.sdma)
    navi21.gpu.memory.bus_master = True
    assert send(navi21, RUNNING_LOW) == (OK, 0)
    assert navi21.read("MP0", "MP0_SMN_C2PMSG_81") != 0, "the PSP lives (sienna_cichlid_is_mode1_reset_supported)"


def smn(rig: Rig, address: int, value: int | None = None) -> int:
    """RREG32_PCIE, WREG32_PCIE."""
    rig.write("NBIO", "PCIE_INDEX2", address)
    if value is not None:
        rig.write("NBIO", "PCIE_DATA2", value)
    return rig.read("NBIO", "PCIE_DATA2")


def test_loading_firmware_restarts_the_processor(navi21: Rig) -> None:
    """smu_v11_0_load_microcode: SRAM, reset, no reset, and it runs again, having forgotten everything."""
    set_up(navi21)
    assert smn(navi21, 0x3B10024) & 1
    assert smn(navi21, 0x3C00004, 0x55) == 0x55
    smn(navi21, 0x3B10B14, 1)
    assert not smn(navi21, 0x3B10024) & 1
    assert navi21.read("MP1", "MP1_SMN_C2PMSG_90") == 0, "nothing is answered yet"
    smn(navi21, 0x3B10B14, 0)
    assert smn(navi21, 0x3B10024) & 1
    assert send(navi21, RUNNING_LOW) == (OK, 0)
    assert "not modelled" not in navi21.said()


def test_the_voltage_is_the_idle_gpus(navi21: Rig) -> None:
    """smu_v11_0_get_gfx_vdd, convert_to_vddc."""
    vid = navi21.read("SMUIO", "SMUSVI0_TEL_PLANE0") >> 16 & 0x1FF
    assert (6200 - 25 * vid) // 4 == IDENTITY.sensors.vddgfx


def test_the_powerplay_table_promises_nothing_that_is_not_there() -> None:
    """sienna_cichlid_check_powerplay_table: neither BACO nor overdrive; levels of the link."""
    driver, firmware = powerplay_table()
    assert driver[4] == 2
    assert struct.unpack_from("<H", driver, 5) == (802,)
    assert struct.unpack_from("<IB", driver, 17) == (0, 28), "no capabilities; the thermal controller of Sienna Cichlid"
    assert not any(driver[182:802]), "struct smu_11_0_7_overdrive_table"
    assert len(firmware) == 1668, "PPTable_t"
    assert struct.unpack_from("<Q", firmware, 4) == (DPM_GFXCLK | DPM_UCLK,)
    assert firmware[980:984] == bytes((IDENTITY.pci.gen - 1,) * 2 + (6, 6))


def test_only_gpus_whose_driver_needs_one_have_one() -> None:
    """The mailbox of the others is not modelled."""
    with a_rig("vega10") as rig:
        assert rig.gpu.smu is None
