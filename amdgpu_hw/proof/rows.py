# SPDX-License-Identifier: MIT
"""The table of rows of a suite: which behaviours there are, by name. Every report and every expectation speaks of them.

rows.toml has one table for each letter that names begin with: ``what`` it is about, and the ``rows``.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.errors import HarnessError

__all__ = ("RowTable", "load_rows")


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows of one suite, in the order of the file."""

    path: Path
    rows: tuple[str, ...]

    def __contains__(self, row: object) -> bool:
        return row in self.rows

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
    rows: dict[str, None] = {}
    for letter, table in content.items():
        if not isinstance(table, dict) or set(table) != {"what", "rows"}:
            raise HarnessError(f"{path}: the table {letter} must have 'what' it is about and its 'rows', and no more")
        for row in table["rows"]:
            if not isinstance(row, str) or not row.startswith(letter):
                raise HarnessError(f"{path}: {row!r} is in the table {letter}: the names of its rows begin with it")
            if row in rows:
                raise HarnessError(f"{path}: there is a second row {row}")
            rows[row] = None
    return RowTable(path, tuple(rows))
