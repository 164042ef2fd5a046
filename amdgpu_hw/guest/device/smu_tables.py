# SPDX-License-Identifier: MIT
"""The tables that a driver and the firmware of SMU 11.0.7 (Navi21) and 13.0.0 (Navi31) hand each other, as far as read.

A layout is the size of a C structure and where some of its members are; all other bytes are 0. The structures are those
of smu11_driver_if_sienna_cichlid.h (interface version 0x40) and smu_v11_0_7_pptable.h. What is in the tables comes from
the GPU's TOML file: no vendor's bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpus import ModelIdentity

__all__ = (
    "BOARD_PARAMETERS",
    "BOARD_PARAMETERS_13",
    "DRIVER_SMU_CONFIG",
    "FEATURES",
    "GFXCLK",
    "OVERDRIVE",
    "OVERDRIVE_13",
    "PPTABLE",
    "PPTABLE_13",
    "UCLK",
    "TableLayout",
    "build_combined_table",
    "build_metrics",
    "build_metrics_13",
    "build_powerplay_table",
    "levels",
)


@dataclass(frozen=True, slots=True)
class TableLayout:
    """A packed C structure."""

    size: int
    members: Mapping[str, tuple[int, str]]
    """Name -> offset, and format of `struct` without byte order."""

    def pack(self, **values: int | Sequence[int]) -> bytes:
        """Return the structure with these members; arrays may be given shorter than they are."""
        data = bytearray(self.size)
        for name, value in values.items():
            offset, form = self.members[name]
            numbers = [value] if isinstance(value, int) else list(value)
            count = struct.calcsize(form) // struct.calcsize(form[-1])
            struct.pack_into(f"<{form}", data, offset, *numbers, *[0] * (count - len(numbers)))
        return bytes(data)

    def read(self, data: bytes, name: str) -> tuple[int, ...]:
        """Return a member of a structure."""
        offset, form = self.members[name]
        return struct.unpack_from(f"<{form}", data, offset)


DPM_GFXCLK, DPM_UCLK = 1 << 1, 1 << 3
FEATURES = DPM_GFXCLK | DPM_UCLK
"""FEATURE_*_BIT: those that the model has."""

GFXCLK, UCLK = 0, 2
"""PPCLK_e: the clocks that the TOML file tells of."""

PPTABLE = TableLayout(
    1668,
    {
        "Version": (0, "I"),
        "FeaturesToRun": (4, "2I"),
        "TemperatureLimit": (52, "10H"),
        "FreqTableGfx": (524, "16H"),
        "FreqTableUclk": (604, "4H"),
        "PcieGenSpeed": (980, "2B"),
        "PcieLaneCount": (982, "2B"),
    },
)
"""PPTable_t: what the driver hands to the firmware. Between them it puts the board's part, from the BIOS."""

BOARD_PARAMETERS = 1636 - 1344
"""Bytes of PPTable_t from I2cControllers to BoardReserved (sienna_cichlid_append_powerplay_table)."""

METRICS = TableLayout(
    200,
    {
        "CurrClock": (0, "13I"),
        "AverageGfxclkFrequencyPreDs": (52, "H"),
        "AverageGfxclkFrequencyPostDs": (54, "H"),
        "AverageUclkFrequencyPreDs": (60, "H"),
        "AverageUclkFrequencyPostDs": (62, "H"),
        "AverageGfxActivity": (64, "H"),
        "AverageUclkActivity": (66, "H"),
        "AverageSocketPower": (72, "H"),
        "TemperatureEdge": (74, "H"),
        "TemperatureHotspot": (76, "H"),
        "TemperatureMem": (78, "H"),
        "PcieRate": (152, "B"),
        "PcieWidth": (153, "B"),
    },
)
"""SmuMetrics_V3_t in SmuMetricsExternal_t: from firmware 58.73 on (sienna_cichlid_get_smu_metrics_data)."""

OVERDRIVE = TableLayout(
    52,
    {"GfxclkFmin": (0, "H"), "GfxclkFmax": (2, "H"), "UclkFmin": (18, "H"), "UclkFmax": (20, "H")},
)
"""OverDriveTable_t."""

DRIVER_SMU_CONFIG = TableLayout(76, {})
"""DriverSmuConfigExternal_t: time constants of averages, of which an idle GPU needs none."""

POWERPLAY = TableLayout(
    802,
    {
        "table_revision": (4, "B"),
        "table_size": (5, "H"),
        "format_id": (15, "H"),
        "thermal_controller_type": (21, "B"),
        "software_shutdown_temp": (28, "H"),
    },
)
"""smu_11_0_7_powerplay_table up to smc_pptable. What is 0 says: neither BACO nor overdrive."""
ATOM_HEADER = 4

TABLE_REVISION, FORMAT_ID, PPTABLE_VERSION = 2, 0x80, 7
THERMAL_CONTROLLER = 28
"""SMU_11_0_7_PP_THERMALCONTROLLER_SIENNA_CICHLID: with none, smu_v11_0_disable_thermal_alert of Linux 6.12 puts back an
interrupt that it never took, and warns at each reset."""
TEMPERATURE_LIMIT, SHUTDOWN_TEMPERATURE = 100, 118
"""Degrees Celsius; nothing here is ever that warm."""
LANE_CODES = {1: 1, 2: 2, 4: 3, 8: 4, 12: 5, 16: 6}
"""PcieLaneCount."""


def levels(table: Sequence[int]) -> tuple[int, ...]:
    """Return the frequencies of a FreqTable: those up to the first 0."""
    return tuple(table[: table.index(0)] if 0 in table else table)


def build_powerplay_table(identity: ModelIdentity) -> bytes:
    """Return the BIOS table `powerplayinfo` without its header (smu_v11_0_setup_pptable)."""
    clocks, pci = identity.clocks, identity.pci
    driver = POWERPLAY.pack(
        table_revision=TABLE_REVISION,
        table_size=POWERPLAY.size,
        format_id=FORMAT_ID,
        thermal_controller_type=THERMAL_CONTROLLER,
        software_shutdown_temp=SHUTDOWN_TEMPERATURE,
    )
    firmware = PPTABLE.pack(
        Version=PPTABLE_VERSION,
        FeaturesToRun=(FEATURES & 0xFFFF_FFFF, FEATURES >> 32),
        TemperatureLimit=(TEMPERATURE_LIMIT,) * 3,
        FreqTableGfx=[khz // 1000 for khz in clocks.engine],
        FreqTableUclk=[khz // 1000 for khz in clocks.memory],
        PcieGenSpeed=(pci.gen - 1,) * 2,
        PcieLaneCount=(LANE_CODES[pci.lanes],) * 2,
    )
    return driver[ATOM_HEADER:] + firmware


def build_metrics(identity: ModelIdentity, engine: int, memory: int) -> bytes:
    """Return the metrics of SMU 11.0.7; ``engine`` and ``memory`` are clocks in MHz."""
    sensors, pci = identity.sensors, identity.pci
    return METRICS.pack(
        CurrClock=[engine, 0, memory],
        AverageGfxclkFrequencyPreDs=engine,
        AverageGfxclkFrequencyPostDs=engine,
        AverageUclkFrequencyPreDs=memory,
        AverageUclkFrequencyPostDs=memory,
        AverageGfxActivity=sensors.load,
        AverageSocketPower=sensors.power,
        TemperatureEdge=sensors.temperature,
        TemperatureHotspot=sensors.temperature,
        TemperatureMem=sensors.temperature,
        PcieRate=pci.gen - 1,
        PcieWidth=pci.lanes,
    )


# -- SMU 13.0.0: smu13_driver_if_v13_0_0.h (interface version 0x3d), smu_v13_0_0_pptable.h ----------------------------

PPTABLE_13 = TableLayout(
    3972,
    {
        "Version": (0, "I"),
        "FeaturesToRun": (4, "2I"),
        "TemperatureLimit": (50, "13H"),
        "FreqTableGfx": (684, "16H"),
        "FreqTableUclk": (764, "4H"),
        "PcieGenSpeed": (1232, "3B"),
        "PcieLaneCount": (1235, "3B"),
    },
)
"""PPTable_t; its last part is the board's, from the BIOS (smu_v13_0_0_append_powerplay_table)."""
BOARD_PARAMETERS_13 = 488
"""sizeof(BoardTable_t)."""
PPTABLE_VERSION_13 = 0x2B

METRICS_13 = TableLayout(
    392,
    {
        "CurrClock": (0, "13I"),
        "AverageGfxclkFrequencyTarget": (52, "H"),
        "AverageGfxclkFrequencyPreDs": (54, "H"),
        "AverageGfxclkFrequencyPostDs": (56, "H"),
        "AverageMemclkFrequencyPreDs": (62, "H"),
        "AverageMemclkFrequencyPostDs": (64, "H"),
        "AvgVoltage": (84, "5H"),
        "AverageGfxActivity": (104, "H"),
        "AverageSocketPower": (116, "H"),
        "AvgTemperature": (120, "13H"),
        "PcieRate": (148, "B"),
        "PcieWidth": (149, "B"),
    },
)
"""SmuMetricsExternal_t."""

OVERDRIVE_13 = TableLayout(
    140,
    {"GfxclkFmin": (20, "H"), "GfxclkFmax": (22, "H"), "UclkFmin": (24, "H"), "UclkFmax": (26, "H")},
)
"""OverDriveTableExternal_t."""

POWERPLAY_13 = TableLayout(
    832,
    {
        "table_revision": (4, "B"),
        "table_size": (6, "H"),
        "format_id": (16, "H"),
        "thermal_controller_type": (22, "B"),
        "software_shutdown_temp": (29, "H"),
    },
)
"""smu_13_0_0_powerplay_table up to smc_pptable. What is 0 says: neither BACO nor overdrive."""
TEMPERATURES_13 = (0, 1, 4)
"""TEMP_EDGE, TEMP_HOTSPOT, TEMP_MEM."""


def build_combined_table(identity: ModelIdentity) -> bytes:
    """Return what the firmware of SMU 13.0.0 itself has of the board (smu_v13_0_0_get_pptable_from_pmfw)."""
    clocks, pci = identity.clocks, identity.pci
    driver = POWERPLAY_13.pack(
        table_size=POWERPLAY_13.size + PPTABLE_13.size,
        thermal_controller_type=THERMAL_CONTROLLER,
        software_shutdown_temp=SHUTDOWN_TEMPERATURE,
    )
    limits = [TEMPERATURE_LIMIT if number in TEMPERATURES_13 else 0 for number in range(5)]
    firmware = PPTABLE_13.pack(
        Version=PPTABLE_VERSION_13,
        FeaturesToRun=(FEATURES & 0xFFFF_FFFF, FEATURES >> 32),
        TemperatureLimit=limits,
        FreqTableGfx=[khz // 1000 for khz in clocks.engine],
        FreqTableUclk=[khz // 1000 for khz in clocks.memory],
        PcieGenSpeed=(pci.gen - 1,) * 3,
        PcieLaneCount=(LANE_CODES[pci.lanes],) * 3,
    )
    return driver + firmware


def build_metrics_13(identity: ModelIdentity, engine: int, memory: int) -> bytes:
    """Return the metrics of SMU 13.0.0; ``engine`` and ``memory`` are clocks in MHz."""
    sensors, pci = identity.sensors, identity.pci
    return METRICS_13.pack(
        CurrClock=[engine, 0, memory],
        AverageGfxclkFrequencyTarget=engine,
        AverageGfxclkFrequencyPreDs=engine,
        AverageGfxclkFrequencyPostDs=engine,
        AverageMemclkFrequencyPreDs=memory,
        AverageMemclkFrequencyPostDs=memory,
        AvgVoltage=[sensors.vddgfx],
        AverageGfxActivity=sensors.load,
        AverageSocketPower=sensors.power,
        AvgTemperature=[sensors.temperature if number in TEMPERATURES_13 else 0 for number in range(5)],
        PcieRate=pci.gen,
        PcieWidth=pci.lanes,
    )
