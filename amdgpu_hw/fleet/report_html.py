# SPDX-License-Identifier: MIT
"""A fleet's results as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import jinja2

from amdgpu_hw.fleet.index import Index
from amdgpu_hw.fleet.matrix import Column, FleetMatrix
from amdgpu_hw.fleet.matrix_text import SIGNS, column_letter
from amdgpu_hw.fleet.since import Changes
from amdgpu_hw.fleet.status import mishaps
from amdgpu_hw.verdict.model import Outcome

__all__ = ("fleet_html",)

_TONES = {
    Outcome.HOLDS: "good",
    Outcome.NOT_TESTABLE: "quiet",
    Outcome.INCONCLUSIVE: "unsure",
    Outcome.UNFINISHED: "unsure",
    None: "none",
}


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a cell of the page shows."""

    sign: str
    tone: str
    words: str


def fleet_html(matrix: FleetMatrix, index: Index, changes: Changes | None) -> str:
    """The page; ``changes`` are those since another run."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("amdgpu_hw.fleet", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [
        (row, matrix.behaviours[row], [_shown(matrix, row, column) for column in matrix.columns]) for row in matrix.rows
    ]
    return environment.get_template("page.html.jinja").render(
        index=index,
        columns=[(column_letter(number), column) for number, column in enumerate(matrix.columns)],
        shown=[each for each in rows if not matrix.is_plain(each[0])],
        plain=[each for each in rows if matrix.is_plain(each[0])],
        reasons=list(_reasons(matrix)),
        flaky=[
            (row, column.name, ", ".join(outcome.value for outcome in column.cells[row].outcomes))
            for row, column in matrix.flaky
        ],
        changes=changes,
        mishaps={each.order.name: mishaps(each) for each in index.orders},
        signs=[(SIGNS[outcome], outcome.value) for outcome in Outcome],
    )


def _shown(matrix: FleetMatrix, row: str, column: Column) -> _Shown:
    outcome = matrix.outcome(row, column)
    return _Shown(SIGNS[outcome], _TONES.get(outcome, "bad"), "not run" if outcome is None else outcome.value)


def _reasons(matrix: FleetMatrix) -> Iterator[tuple[str, str, str, str]]:
    """Row, column, outcome and what was seen, for each case that fails a run."""
    for column in matrix.columns:
        for results in column.results:
            for case in results.cases:
                if not case.passes and case.reason:
                    yield case.row, column.name, case.outcome.value, case.reason
