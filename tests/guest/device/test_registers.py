# SPDX-License-Identifier: MIT
"""Registers: what is in no table is said once, by name where it has one."""

import io

import pytest

from amdgpu_hw.guest.device.log import MachineLog
from amdgpu_hw.guest.device.registers import RegisterFile, RegisterTable, load_table

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
