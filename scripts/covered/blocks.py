# SPDX-License-Identifier: MIT
"""The basic blocks of a module that notes which of them ran (amdgpu_hw/guest/edits/coverage.toml), and their lines."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from elftools.elf.elffile import ELFFile

from amdgpu_hw.errors import HarnessError

__all__ = ("Block", "Function", "NotedModule", "read_notes")

_NOTE = "__sanitizer_cov_trace_pc"
_CALL_BYTES = 5
"""A call: its opcode, and the four bytes that are relocated. What it returns to is what is noted."""


@dataclass(frozen=True, slots=True)
class Block:
    """A basic block: its place in the module's .text, in bytes, and the lines of source that it was made from."""

    noted_at: int
    lines: frozenset[tuple[str, int]]
    """File, without its directory, and line."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function with noted blocks; what was inlined into it is a part of it."""

    name: str
    file: str
    blocks: tuple[Block, ...]


class NotedModule:
    """A module that was built so, read from its file. Raises `HarnessError` where it was not."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as stream:
                self.functions = _functions(ELFFile(stream))
        except OSError as error:
            raise HarnessError(f"the module {path} cannot be read: {error.strerror}") from None
        if not self.functions:
            raise HarnessError(f"{path} notes nothing: it was not built with --edits coverage")


def read_notes(blocks: bytes, text: int, section: int) -> frozenset[int]:
    """The places in .text that were noted.

    ``blocks`` has a bit for each byte of the module's text, which begins at the address ``text``; ``section`` is the
    address of .text, which is a part of it.
    """
    found = set()
    for index, byte in enumerate(blocks):
        if byte:
            found |= {text + 8 * index + bit - section for bit in range(8) if byte >> bit & 1}
    return frozenset(found)


def _functions(elf: Any) -> tuple[Function, ...]:
    section = elf.get_section_by_name(".text")
    relocations = elf.get_section_by_name(".rela.text")
    symbols = elf.get_section_by_name(".symtab")
    if section is None or relocations is None or symbols is None:
        return ()
    number = elf.get_section_index(".text")
    note = {index for index, symbol in enumerate(symbols.iter_symbols()) if symbol.name == _NOTE}
    calls = sorted(each["r_offset"] - 1 for each in relocations.iter_relocations() if each["r_info_sym"] in note)
    rows = _lines(elf)
    starts = [address for address, _, _ in rows]
    found = []
    for name, begin, size in _text_symbols(symbols, number):
        inside = calls[bisect.bisect_left(calls, begin) : bisect.bisect_left(calls, begin + size)]
        if not inside:
            continue
        blocks = []
        for at, end in zip(inside, [*inside[1:], begin + size], strict=True):
            # What comes before a function's first note, its prologue, belongs to it.
            first = begin if at == inside[0] else at
            covered = rows[bisect.bisect_left(starts, first) : bisect.bisect_left(starts, end)]
            blocks.append(Block(at + _CALL_BYTES, frozenset((file, line) for _, file, line in covered if line)))
        at_first = rows[max(0, bisect.bisect_right(starts, begin) - 1)][1] if rows else ""
        found.append(Function(name, at_first, tuple(blocks)))
    return tuple(found)


def _text_symbols(symbols: Any, number: int) -> Iterator[tuple[str, int, int]]:
    """Name, beginning and size of the functions of .text."""
    for symbol in symbols.iter_symbols():
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] == number and symbol["st_size"]:
            yield symbol.name, symbol["st_value"], symbol["st_size"]


def _lines(elf: Any) -> list[tuple[int, str, int]]:
    """The lines of the compilation units that note blocks: address, file and line, in order of addresses."""
    rows = []
    dwarf = elf.get_dwarf_info(relocate_dwarf_sections=True)
    for unit in dwarf.iter_CUs():
        top = unit.get_top_DIE()
        producer = top.attributes.get("DW_AT_producer")
        if producer is None or b"sanitize-coverage=trace-pc" not in producer.value:
            continue
        program = dwarf.line_program_for_CU(unit)
        files = [entry.name.decode() for entry in program["file_entry"]]
        # From DWARF 5 on the first file has the number 0, before it 1.
        base = 0 if program["version"] >= 5 else 1
        for entry in program.get_entries():
            state = entry.state
            if state is not None and not state.end_sequence:
                rows.append((state.address, PurePosixPath(files[state.file - base]).name, state.line))
    return sorted(rows)
