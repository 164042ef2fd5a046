# SPDX-License-Identifier: MIT
"""The tables that a driver and the firmware of SMU 11.0.7 (Navi21) hand each other, as far as anything reads them.

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
    "DRIVER_SMU_CONFIG",
    "FEATURES",
    "GFXCLK",
    "METRICS",
    "OVERDRIVE",
    "PPTABLE",
    "UCLK",
    "Layout",
    "build_powerplay_table",
    "levels",
)


@dataclass(frozen=True, slots=True)
class Layout:
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

PPTABLE = Layout(
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

METRICS = Layout(
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

OVERDRIVE = Layout(
    52,
    {"GfxclkFmin": (0, "H"), "GfxclkFmax": (2, "H"), "UclkFmin": (18, "H"), "UclkFmax": (20, "H")},
)
"""OverDriveTable_t."""

DRIVER_SMU_CONFIG = Layout(76, {})
"""DriverSmuConfigExternal_t: time constants of averages, of which an idle GPU needs none."""

POWERPLAY = Layout(
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
