# SPDX-License-Identifier: MIT
"""Registers: what is in no table is said once, by name where it has one."""

import io

import pytest

from amdgpu_hw.guest.device.log import MachineLog
from amdgpu_hw.guest.device.registers import RegisterFile, RegisterTable, load_table

from .rig import a_rig

TABLE = RegisterTable({"GC": {"STORED": 0x10}}, {"GC": [0]}, {"GC": {"NAMED": 0x11}})


@pytest.mark.parametrize(
    ("offset", "said"),
    [(0x10, ""), (0x11, "GC.NAMED (register 0x00011)"), (0x12, "register 0x00012")],
)
def test_what_is_not_modelled_is_said_once(offset: int, said: str) -> None:
    """Twice read, twice written: one line in the log, and what was written can be read."""
    file = io.StringIO()
    registers = RegisterFile(TABLE, MachineLog(file))
    assert registers.read(offset) == 0
    registers.write(offset, 7)
    registers.write(offset, 8)
    assert registers.read(offset) == 8
    lines = file.getvalue().splitlines()
    assert len(lines) == bool(said)
    assert all(f"not modelled: read of {said} gives 0" in line for line in lines)


@pytest.mark.parametrize("gpu", ["vega10", "mi300x", "navi21"])
def test_a_name_for_the_log_models_nothing(gpu: str) -> None:
    """SDMA0_EDC_CONFIG or GRBM's dump: a name in `unmodelled` is not in the table."""
    table = load_table(gpu)
    only_named = {
        offset for offset in range(0x20000) if offset not in table and table.name(offset).startswith(("GC.", "SDMA"))
    }
    assert only_named


@pytest.mark.parametrize(
    ("gpu", "number", "name"),
    [
        ("vega10", 0x1D5BE0, "UMC7_CH3_MCUMC_CTRL_MASK"),
        ("vega10", 0x161B9, "MP0_MISC_CGTT_CTRL0"),
        ("mi300x", 0x161BA, "MP0_MISC_LIGHT_SLEEP_CTRL"),
        ("navi21", 0x96, "DRIVER_SCRATCH_2"),
    ],
)
def test_what_stock_drivers_read_has_a_name_in_the_log(gpu: str, number: int, name: str) -> None:
    """Also where only the driver's C files have the number, and where it is read through SMN, by bytes."""
    with a_rig(gpu) as rig:
        index = "BIF_BX0_PCIE_INDEX2" if gpu == "mi300x" else "PCIE_INDEX2"
        data = index.replace("INDEX", "DATA")
        assert rig.registers.read(number) == 0
        rig.write("NBIO", index, number << 2)
        assert rig.read("NBIO", data) == 0
        assert f"{name} (register {number:#07x})" in rig.said()
        assert f"{name} (SMN register {number << 2:#x})" in rig.said()
