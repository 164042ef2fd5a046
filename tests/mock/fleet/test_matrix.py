# SPDX-License-Identifier: MIT
"""The matrix: GPU x kernel x row, with what the infrastructure did apart from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from amdgpu_hw.fleet.conduct import result_path
from amdgpu_hw.fleet.events import State
from amdgpu_hw.fleet.index import Index, write_index
from amdgpu_hw.fleet.matrix import make_matrix
from amdgpu_hw.fleet.matrix_text import column_letter, matrix_text
from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel, PlannedPlace
from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.results import ResultFile
from tests.mock.report import runs

PLAN = FleetPlan(
    (PlannedPlace("a", "navi31", ssh="a"), PlannedPlace("b", "mi300x", ssh="b")),
    (PlannedKernel("k1", mock="base"), PlannedKernel("k2", mock="series-v1")),
    repetitions=2,
)
H, X, N, U = Outcome.HOLDS, Outcome.BROKEN, Outcome.NOT_TESTABLE, Outcome.UNFINISHED


def case(row: str, outcome: Outcome, number: int = 0, reason: str = "so") -> Case:
    """One of the cases of a row."""
    name = f"tests/hw/test_x.py::test_{row.lower()}[{number}]"
    return Case(name, row, f"{row} takes effect", (), outcome, "" if outcome is H else reason)


def put(directory: Path, order: Order, *cases: Case) -> None:
    """Results of an order."""
    ResultFile(result_path(directory, order)).write(runs.run(cases=cases))


def filled(directory: Path, outcomes: Mapping[tuple[str, str, int], Mapping[str, Outcome]]) -> Index:
    """The results of a fleet; orders that are not named are lost."""
    index = Index.of(PLAN)
    for each in index.orders:
        order = each.order
        given = outcomes.get((order.gpu, order.kernel, order.repetition))
        each.place, each.state, each.why = "a", State.LOST, "it burns"
        if given is not None:
            each.state, each.why, each.status = State.DONE, "", 0
            put(directory, order, *(case(row, outcome) for row, outcome in given.items()))
    write_index(directory, index)
    return index


def test_a_row_is_as_bad_as_its_worst_case(tmp_path: Path) -> None:
    """And holds if some of its cases cannot be tested."""
    index = filled(tmp_path, {})
    order = index.orders[0].order
    put(tmp_path, order, case("B06", H), case("B06", X, 1), case("B07", H), case("B07", N, 1), case("B08", N))
    column = make_matrix(index, tmp_path).columns[0]
    assert {row: cell.outcome for row, cell in column.cells.items()} == {"B06": X, "B07": H, "B08": N}


def test_rows_that_repetitions_disagree_about_are_flaky(tmp_path: Path) -> None:
    """They are named with what each repetition said."""
    index = filled(
        tmp_path, {("navi31", "k1", 1): {"B06": H, "B07": X}, ("navi31", "k1", 2): {"B06": X, "B07": X, "B08": H}}
    )
    matrix = make_matrix(index, tmp_path)
    column = matrix.columns[0]
    assert {row: cell.outcome for row, cell in column.cells.items()} == {"B06": Outcome.FLAKY, "B07": X, "B08": H}
    assert matrix.flaky == [("B06", column)]
    assert "flaky: B06 on navi31 k1: holds, broken" in matrix_text(matrix, index, 100, False)


def test_the_text_shows_what_does_not_hold_and_counts_the_rest(tmp_path: Path) -> None:
    """Rows that were not run have empty cells, whatever they are elsewhere."""
    index = filled(
        tmp_path,
        {
            ("navi31", "k1", 1): {"B06": H, "B07": H},
            ("navi31", "k2", 1): {"B06": H, "B07": X},
            ("mi300x", "k1", 1): {"B06": N, "B07": N},
        },
    )
    text = matrix_text(make_matrix(index, tmp_path), index, 100, False)
    (line,) = (line for line in text.splitlines() if line.startswith("B07"))
    assert [cell.strip() for cell in line.replace("│", "|").split("|")] == [
        "B07",
        "+",
        "-",
        "X",
        "",
        "B07 takes effect",
    ]
    assert "B06" not in text
    assert "1 row holds wherever testable." in text
    assert "+ holds" in text
    assert "empty: not run" in text
    everything = matrix_text(make_matrix(index, tmp_path), index, 100, False, all_rows=True)
    assert "B06 takes effect" in everything


def test_what_the_infrastructure_lost_is_told_apart_from_rows(tmp_path: Path) -> None:
    """By column and place, with why; no row is broken for it."""
    index = filled(tmp_path, {("navi31", "k1", 1): {"B06": H}})
    index.broken["b"] = "it burns"
    text = matrix_text(make_matrix(index, tmp_path), index, 100, False)
    assert "mi300x k1: lost 1: it burns" in text
    assert "b is broken: it burns" in text
    assert "broken" not in text.replace("b is broken", "")


def test_the_row_that_is_running_says_nothing_yet(tmp_path: Path) -> None:
    """Only what has ended is in the matrix of a run that goes on."""
    index = filled(tmp_path, {})
    put(tmp_path, index.orders[0].order, case("B06", H), case("B07", U, reason=""))
    assert make_matrix(index, tmp_path).columns[0].cells.keys() == {"B06"}


def test_a_damaged_result_costs_its_own_column_alone(tmp_path: Path) -> None:
    """The rest is shown, and it is named."""
    index = filled(tmp_path, {("navi31", "k1", 1): {"B06": H}, ("navi31", "k2", 1): {"B06": H}})
    result_path(tmp_path, index.orders[0].order).write_text("{")
    matrix = make_matrix(index, tmp_path)
    assert [len(column.cells) for column in matrix.columns if column.gpu == "navi31"] == [0, 1]
    assert "is not a result file" in matrix_text(matrix, index, 200, False)


def test_columns_beyond_z_have_letters_too() -> None:
    """Fifty of them are a lab."""
    assert [column_letter(number) for number in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]
