# SPDX-License-Identifier: MIT
"""The matrix as people read it on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from amdgpu_hw.fleet.index import Index
from amdgpu_hw.fleet.matrix import Column, FleetMatrix
from amdgpu_hw.verdict.model import Outcome
from amdgpu_hw.verdict.table import OUTCOME_STYLE, count_of, render

__all__ = ("SIGNS", "column_letter", "matrix_text")

SIGNS = {
    Outcome.HOLDS: "+",
    Outcome.BROKEN: "X",
    Outcome.FLAKY: "~",
    Outcome.INCONCLUSIVE: "?",
    Outcome.UNFINISHED: "!",
    Outcome.NOT_TESTABLE: "-",
    None: "",
}
"""What stands in a cell; nothing: it was not run."""


def column_letter(number: int) -> str:
    """What the column of that number, from 0, is called: A to Z, AA and so on."""
    first, last = divmod(number, 26)
    return (column_letter(first - 1) if first else "") + chr(ord("A") + last)


def matrix_text(matrix: FleetMatrix, index: Index, width: int, colour: bool, all_rows: bool = False) -> str:
    """What there is of the matrix; rows that hold wherever they could be tested are counted, or all are shown."""
    shown = [row for row in matrix.rows if all_rows or not matrix.is_plain(row)]
    parts: list[RenderableType] = [_legend(matrix)]
    if shown:
        parts += [Text(""), _table(matrix, shown), Text(_signs(matrix, shown), style="dim")]
    hidden = len(matrix.rows) - len(shown)
    if hidden:
        parts.append(Text(f"{count_of(hidden, 'row')} {'holds' if hidden == 1 else 'hold'} wherever testable."))
    for row, column in matrix.flaky:
        outcomes = ", ".join(outcome.value for outcome in column.cells[row].outcomes)
        parts.append(Text(f"flaky: {row} on {column.name}: {outcomes}", style="bold red"))
    parts += [Text(line, style="bold magenta") for line in _trouble(matrix, index)]
    return render(Group(*parts), width, colour)


def _legend(matrix: FleetMatrix) -> Table:
    table = Table(box=None, show_header=True, header_style="bold", pad_edge=False)
    for name in ("", "GPU", "kernel", "on", "orders", "rows"):
        table.add_column(name)
    for number, column in enumerate(matrix.columns):
        states = ", ".join(dict.fromkeys(each.state.value for each in column.orders))
        table.add_row(column_letter(number), column.gpu, column.kernel, column.words, states, _counts(matrix, column))
    return table


def _counts(matrix: FleetMatrix, column: Column) -> str:
    outcomes = [matrix.outcome(row, column) for row in column.cells]
    words = [f"{outcomes.count(each)} {each.value}" for each in Outcome if outcomes.count(each)]
    return ", ".join(words) or "none"


def _table(matrix: FleetMatrix, rows: list[str]) -> Table:
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("row", no_wrap=True)
    for number in range(len(matrix.columns)):
        table.add_column(column_letter(number), no_wrap=True)
    table.add_column("behaviour", ratio=1)
    for row in rows:
        cells = []
        for column in matrix.columns:
            outcome = matrix.outcome(row, column)
            cells.append(Text(SIGNS[outcome], style=OUTCOME_STYLE[outcome] if outcome else ""))
        table.add_row(row, *cells, matrix.behaviours[row])
    return table


def _signs(matrix: FleetMatrix, rows: list[str]) -> str:
    seen = {matrix.outcome(row, column) for row in rows for column in matrix.columns}
    words = [f"{SIGNS[each]} {each.value}" for each in Outcome if each in seen]
    return ", ".join([*words, *(["empty: not run"] if None in seen else [])])


def _trouble(matrix: FleetMatrix, index: Index) -> Iterator[str]:
    """What the infrastructure did, apart from the rows."""
    for column in matrix.columns:
        for sentence in column.trouble:
            yield f"{column.name}: {sentence}"
    for place, why in index.broken.items():
        yield f"{place} is broken: {why}"
