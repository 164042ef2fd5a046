# SPDX-License-Identifier: MIT
"""Registers: numbers to names by the GPU's table, and to the functions of the blocks that answer.

A register is one of three kinds. A block of the model reacts to it (`on_read`, `on_write`). It is in the table but
nothing reacts: it keeps what is written, which is all that a driver asks of most of them. Or it is in no table: it
keeps what is written as well, and the machine's log says so, once each, because the model has not been thought
through for it; a second table (`unmodelled`) has names for the log alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib import resources

from ..log import MachineLog

__all__ = ("RegisterFile", "RegisterTable", "load_table")

M32 = 0xFFFF_FFFF


class RegisterTable:
    """Names and dword offsets of one GPU's registers."""

    def __init__(
        self,
        blocks: dict[str, dict[str, int]],
        bases: dict[str, list[int]],
        unmodelled: dict[str, dict[str, int]] | None = None,
    ) -> None:
        self._blocks = blocks
        self.bases = bases
        """Block -> first register of each of its segments."""
        self._names: dict[int, str] = {}
        for block, registers in blocks.items():
            for name, offset in registers.items():
                self._names.setdefault(offset, f"{block}.{name}")
        self._unmodelled = {
            offset: f"{block}.{name}"
            for block, registers in (unmodelled or {}).items()
            for name, offset in registers.items()
        }

    def __contains__(self, offset: int) -> bool:
        return offset in self._names

    def offset(self, block: str, name: str) -> int:
        """Return a register's dword offset; KeyError if the table does not have it."""
        return self._blocks[block][name]

    def has(self, block: str, name: str) -> bool:
        """Whether the table has a register."""
        return name in self._blocks.get(block, {})

    def find(self, block: str, prefix: str) -> dict[str, int]:
        """Return the registers of a block whose names begin with ``prefix``."""
        return {name: at for name, at in self._blocks[block].items() if name.startswith(prefix)}

    def named(self, offset: int) -> str:
        """Return BLOCK.NAME, modelled or not; empty for a register that nobody named."""
        return self._names.get(offset) or self._unmodelled.get(offset, "")

    def name(self, offset: int) -> str:
        """Return BLOCK.NAME and the number, or only the number of a register that nobody named."""
        name = self.named(offset)
        return f"{name} (register {offset:#07x})" if name else f"register {offset:#07x}"


def load_table(gpu: str) -> RegisterTable:
    """Read the table of a GPU."""
    text = (resources.files(__name__) / f"{gpu}.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    bases = tables.pop("bases")
    return RegisterTable(tables, bases, tables.pop("unmodelled", {}))


class RegisterFile:
    """All registers of a GPU; offsets count dwords."""

    def __init__(self, table: RegisterTable, log: MachineLog) -> None:
        self.table = table
        self._log = log
        self._values: dict[int, int] = {}
        self._defaults: dict[int, int] = {}
        self._readers: dict[int, Callable[[], int]] = {}
        self._writers: dict[int, Callable[[int], None]] = {}

    def reset(self) -> None:
        """Give every register its value after power-up."""
        self._values = dict(self._defaults)

    # -- for the blocks -----------------------------------------------------------------------------------------------

    def default(self, offset: int, value: int) -> None:
        """Give a register a value after power-up other than 0."""
        self._defaults[offset] = self._values[offset] = value

    def on_read(self, offset: int, function: Callable[[], int]) -> None:
        """Have a function say what a register reads as."""
        self._readers[offset] = function

    def on_write(self, offset: int, function: Callable[[int], None]) -> None:
        """Call a function after a register has been written."""
        self._writers[offset] = function

    def get(self, offset: int) -> int:
        """Return what a register holds, without anybody reacting."""
        return self._values.get(offset, 0)

    def set(self, offset: int, value: int) -> None:
        """Make a register hold a value, without anybody reacting."""
        self._values[offset] = value & M32

    # -- for the driver, and for packets ------------------------------------------------------------------------------

    def read(self, offset: int) -> int:
        """Read a register."""
        reader = self._readers.get(offset)
        if reader is not None:
            return reader() & M32
        value = self._values.get(offset)
        if value is None:
            if offset not in self.table:
                self._log.once(("register", offset), f"not modelled: read of {self.table.name(offset)} gives 0")
            return 0
        return value

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        self._values[offset] = value & M32
        writer = self._writers.get(offset)
        if writer is not None:
            writer(value & M32)
        elif offset not in self.table:
            self._log.once(("register", offset), f"not modelled: write of {value:#x} to {self.table.name(offset)}")
