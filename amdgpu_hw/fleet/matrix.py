# SPDX-License-Identifier: MIT
"""Results of a fleet as a matrix: GPU x kernel x row, with what repetitions disagree about and what was never run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.conduct import result_path
from amdgpu_hw.fleet.events import State
from amdgpu_hw.fleet.index import Index, OrderState
from amdgpu_hw.verdict.model import Outcome, row_order
from amdgpu_hw.verdict.reading import read_for_report
from amdgpu_hw.verdict.results import Results

__all__ = ("Column", "FleetMatrix", "MatrixCell", "make_matrix", "outcome_of")

_WORST_FIRST = (
    Outcome.BROKEN,
    Outcome.FLAKY,
    Outcome.UNFINISHED,
    Outcome.INCONCLUSIVE,
    Outcome.HOLDS,
    Outcome.NOT_TESTABLE,
)
"""A row that holds in the cases that can be tested holds."""


def outcome_of(outcomes: Iterable[Outcome]) -> Outcome:
    """What the cases of a row say together. Raises ValueError if there are none."""
    return min(outcomes, key=_WORST_FIRST.index)


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A row on a GPU and a kernel: an outcome for each repetition that has it."""

    outcomes: tuple[Outcome, ...]

    @property
    def disagrees(self) -> bool:
        """Whether repetitions ended differently: flaky, whatever each of them says."""
        return len(set(self.outcomes)) > 1

    @property
    def outcome(self) -> Outcome:
        """The outcome of all repetitions together."""
        return Outcome.FLAKY if self.disagrees and Outcome.BROKEN in self.outcomes else outcome_of(self.outcomes)


@dataclass(slots=True)
class Column:
    """A GPU and a kernel."""

    gpu: str
    kernel: str
    orders: list[OrderState] = field(default_factory=list)
    results: list[Results] = field(default_factory=list)
    cells: dict[str, MatrixCell] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    """What is wrong with result files that cannot be read, a sentence each."""

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.gpu} {self.kernel}"

    @property
    def words(self) -> str:
        """REAL GPU, GUEST or MOCK, as the results say; empty without any."""
        return ", ".join(dict.fromkeys(each.machine.words for each in self.results))

    @property
    def trouble(self) -> list[str]:
        """Why it is not whole, a sentence for each order; none of it says anything about the kernel."""
        found = []
        for each in self.orders:
            if each.state is not State.DONE or each.why:
                repetition = f" {each.order.repetition}" if len(self.orders) > 1 else ""
                found.append(f"{each.state.value}{repetition}{f': {each.why}' if each.why else ''}")
        return [*found, *self.unreadable]


@dataclass(frozen=True, slots=True)
class FleetMatrix:
    """All of it; rows in the order of the table of behaviours."""

    columns: tuple[Column, ...]
    behaviours: Mapping[str, str]
    """What each row proves."""

    @property
    def rows(self) -> list[str]:
        """The rows that any column has."""
        return sorted(self.behaviours, key=row_order)

    def outcome(self, row: str, column: Column) -> Outcome | None:
        """What a row says in a column; None: it was not run."""
        cell = column.cells.get(row)
        return None if cell is None else cell.outcome

    def is_plain(self, row: str) -> bool:
        """Whether a row holds wherever it was run, or could not be tested."""
        return all(self.outcome(row, column) in (None, Outcome.HOLDS, Outcome.NOT_TESTABLE) for column in self.columns)

    @property
    def flaky(self) -> list[tuple[str, Column]]:
        """Rows that repetitions disagree about, and rows that were flaky in one run."""
        return [
            (row, column)
            for row in self.rows
            for column in self.columns
            if row in column.cells and (column.cells[row].disagrees or self.outcome(row, column) is Outcome.FLAKY)
        ]


def make_matrix(index: Index, directory: Path) -> FleetMatrix:
    """The matrix of a directory of results, as far as they have come in."""
    columns: dict[tuple[str, str], Column] = {}
    behaviours: dict[str, str] = {}
    for each in index.orders:
        order = each.order
        column = columns.setdefault((order.gpu, order.kernel), Column(order.gpu, order.kernel))
        column.orders.append(each)
        path = result_path(directory, order)
        if path.exists():
            try:
                column.results.append(read_for_report(path))
            except HarnessError as error:
                column.unreadable.append(str(error))
    for column in columns.values():
        by_row: dict[str, list[Outcome]] = {}
        for results in column.results:
            for row, outcomes in _by_row(results).items():
                by_row.setdefault(row, []).append(outcome_of(outcomes))
            behaviours.update({case.row: case.behaviour for case in results.cases if case.row not in behaviours})
        column.cells = {row: MatrixCell(tuple(outcomes)) for row, outcomes in by_row.items()}
    return FleetMatrix(tuple(columns.values()), behaviours)


def _by_row(results: Results) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for case in results.cases:
        if case is results.cases[-1] and case.outcome is Outcome.UNFINISHED and not case.reason:
            continue  # it was running when we last looked: nothing is known of it
        found.setdefault(case.row, []).append(case.outcome)
    return found
