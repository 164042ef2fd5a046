# SPDX-License-Identifier: MIT
"""The matrix as people read it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from matrix.judge import BugVerdict, Catch, Matrix

__all__ = ("matrix_view",)

_STYLE = {Catch.CAUGHT: "green", Catch.EQUIVALENT: "yellow"}
_BAD = "bold red"


def matrix_view(matrix: Matrix) -> Group:
    """Return the bugs, what caught them, the kernels that are right, the rows without work, and a summary."""
    parts: list[RenderableType] = []
    if matrix.bugs:
        parts.append(_bugs(matrix.bugs))
    parts += [Text(), _right(matrix), Text()]
    if matrix.bugs and matrix.others:
        parts += [
            _rows("Rows that caught no bug", matrix.idle_rows),
            _rows("Rows that no bug needs (another row that names the bug caught it as well)", matrix.spare_rows),
            Text(),
        ]
    parts.append(_summary(matrix))
    return Group(*parts)


def _bugs(verdicts: Iterable[BugVerdict]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("bug", "verdict", "caught by", "other rows broken", "expected"):
        table.add_column(heading, no_wrap=heading in ("bug", "verdict"))
    for verdict in verdicts:
        others = [row for row in verdict.rows if row not in verdict.named]
        table.add_row(
            verdict.bug.name,
            Text(verdict.catch.value, style=_STYLE.get(verdict.catch, _BAD)),
            " ".join(verdict.named),
            " ".join(others),
            "" if verdict.catch is Catch.CAUGHT else _expected(verdict),
        )
    return table


def _expected(verdict: BugVerdict) -> str:
    bug = verdict.bug.bug
    parts = [bug.equivalent or " ".join(bug.caught_by), verdict.trouble, "" if bug.equivalent else verdict.reason]
    return "; ".join(filter(None, parts))


def _right(matrix: Matrix) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("kernel that is right", "GPU", "tests", "not testable", ""):
        table.add_column(heading)
    for result in matrix.right:
        wrong = matrix.false_alarms.get(result.run, ())
        table.add_row(
            result.run.kernel_words,
            result.run.gpu,
            str(len(result.cases)),
            str(sum(case.outcome == "not testable" for case in result.cases)),
            Text("; ".join(wrong), style=_BAD) if wrong else Text("nothing broken", style="green"),
        )
    return table


def _rows(title: str, rows: list[str]) -> Text:
    return Text(f"{title}: ", style="bold").append(" ".join(rows) or "none", style="not bold")


def _summary(matrix: Matrix) -> Text:
    counts = ", ".join(f"{matrix.count(catch)} {catch.value}" for catch in Catch if matrix.count(catch))
    alarms = len(matrix.false_alarms)
    text = (
        f"{len(matrix.bugs)} bugs planted: {counts or 'none'}. {len(matrix.right)} runs on right kernels: "
        f"{f'{alarms} with false alarms' if alarms else 'no false alarm'}. {matrix.seconds:.0f} s."
    )
    return Text(text, style="bold green" if matrix.is_good else _BAD)
