# SPDX-License-Identifier: MIT
"""The table of rows of a suite: which behaviours there are, by name. Every report and every expectation speaks of them.

rows.toml has one table for each section, in the order of reports: ``what`` it is about, and its ``rows``.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from amdgpu_hw.errors import HarnessError

__all__ = ("RowTable", "load_rows")


_NAME = re.compile(r"[A-Z]+\d+[a-z]?")


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows of one suite, in the order of the file."""

    path: Path
    sections: Mapping[str, str]
    """The section of each row."""
    what: Mapping[str, str] = field(default_factory=dict)
    """What each section is about."""

    @property
    def rows(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.sections)

    def __contains__(self, row: object) -> bool:
        return row in self.sections

    def like(self, row: str) -> str:
        """What a row that is not there may have been meant to be, as a question; empty if nothing is like it."""
        close = difflib.get_close_matches(row, self.rows, 1)
        return f": did you mean {close[0]}?" if close else ""


def load_rows(path: Path) -> RowTable:
    """Read a table. Raises `HarnessError`: it is not there, or not in that form."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HarnessError(f"a suite needs a table of its rows, and {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise HarnessError(f"{path} is no TOML: {error}") from None
    sections: dict[str, str] = {}
    what: dict[str, str] = {}
    for section, table in content.items():
        if not isinstance(table, dict) or set(table) != {"what", "rows"}:
            raise HarnessError(f"{path}: the table {section} must have 'what' it is about and its 'rows', and no more")
        what[section] = str(table["what"])
        for row in table["rows"]:
            if not isinstance(row, str) or not _NAME.fullmatch(row):
                raise HarnessError(
                    f"{path}: {row!r} in the table {section} is no name of a row: a letter, a number, at most one more "
                    "letter"
                )
            if row in sections:
                raise HarnessError(f"{path}: there is a second row {row}")
            sections[row] = section
    return RowTable(path, sections, what)
