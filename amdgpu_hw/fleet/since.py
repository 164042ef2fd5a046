# SPDX-License-Identifier: MIT
"""What changed since another run of the fleet: rows that ended otherwise on the same GPU and kernel."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from amdgpu_hw.fleet.matrix import Column, FleetMatrix
from amdgpu_hw.verdict.model import Outcome
from amdgpu_hw.verdict.table import OUTCOME_STYLE, count_of, render

__all__ = ("Changes", "RowChange", "changes_since", "changes_text")


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that ended otherwise than before."""

    row: str
    column: Column
    before: Outcome
    now: Outcome

    @property
    def got_worse(self) -> bool:
        """Whether it held."""
        return self.before is Outcome.HOLDS


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed, what got worse first; ``compared`` counts the rows of both, ``apart`` is what only one run has."""

    changes: tuple[RowChange, ...]
    compared: int
    apart: tuple[str, ...]


def changes_since(old: FleetMatrix, new: FleetMatrix) -> Changes:
    """What both runs have, and what became of it. What was not run says nothing, for whatever reason it was not."""
    before = {(column.gpu, column.kernel): column for column in old.columns}
    changes: list[RowChange] = []
    apart: list[str] = []
    compared = 0
    for column in new.columns:
        earlier = before.pop((column.gpu, column.kernel), None)
        if earlier is None:
            apart.append(f"{column.name} is in this run only")
            continue
        both = [row for row in new.rows if row in column.cells and row in earlier.cells]
        compared += len(both)
        missing = len(earlier.cells.keys() ^ column.cells.keys())
        if missing:
            apart.append(f"{column.name}: {count_of(missing, 'row')} in one of the runs only")
        for row in both:
            was, now = earlier.cells[row].outcome, column.cells[row].outcome
            if was is not now:
                changes.append(RowChange(row, column, was, now))
    apart += [f"{column.name} is in the earlier run only" for column in before.values()]
    return Changes(tuple(sorted(changes, key=lambda each: not each.got_worse)), compared, tuple(apart))


def changes_text(changes: Changes, matrix: FleetMatrix, width: int, colour: bool) -> str:
    """All of it; ends with a newline."""
    parts: list[RenderableType] = []
    if changes.changes:
        table = Table(show_edge=False, pad_edge=False, header_style="bold")
        for name in ("row", "GPU", "kernel", "before", "now", "behaviour"):
            table.add_column(name, no_wrap=name != "behaviour")
        for each in changes.changes:
            outcomes = [Text(outcome.value, style=OUTCOME_STYLE[outcome]) for outcome in (each.before, each.now)]
            table.add_row(each.row, each.column.gpu, each.column.kernel, *outcomes, matrix.behaviours[each.row])
        parts.append(table)
    worse = sum(each.got_worse for each in changes.changes)
    words = f"{len(changes.changes)} of {changes.compared} ended otherwise, {worse} of which held before."
    parts.append(Text(words if changes.changes else f"All {changes.compared} ended as before.", style="bold"))
    parts += [Text(each, style="dim") for each in changes.apart]
    return render(Group(*parts), width, colour)
