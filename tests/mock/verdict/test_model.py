# SPDX-License-Identifier: MIT
"""How cases add up: outcomes, controls, the verdict of a run."""

from __future__ import annotations

import pytest

from amdgpu_hw.verdict.model import Case, Evidence, Outcome, Verdict, apply_controls, row_order, verdict_of


def case(row: str, outcome: Outcome, *controls: str) -> Case:
    """A finished case of a row."""
    return Case(f"tests/hw/test_x.py::test_{row}[id]", row, f"behaviour {row}", controls, outcome)


def test_a_case_did_not_finish_until_proven_otherwise() -> None:
    """A crash in the middle must not read as a success."""
    assert Case("t", "B01", "text").outcome is Outcome.UNFINISHED


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([], Verdict.NOTHING),
        ([Outcome.NOT_TESTABLE], Verdict.NOTHING),
        ([Outcome.HOLDS], Verdict.PROVEN),
        ([Outcome.HOLDS, Outcome.NOT_TESTABLE], Verdict.PROVEN),
        ([Outcome.HOLDS, Outcome.BROKEN], Verdict.BROKEN),
        ([Outcome.HOLDS, Outcome.INCONCLUSIVE], Verdict.INCOMPLETE),
        ([Outcome.HOLDS, Outcome.UNFINISHED], Verdict.INCOMPLETE),
        ([Outcome.BROKEN, Outcome.UNFINISHED], Verdict.BROKEN),
    ],
)
def test_only_proof_without_a_doubt_is_a_success(outcomes: list[Outcome], verdict: Verdict) -> None:
    """Inconclusive and unfinished cases count as not passed; skipping everything proves nothing."""
    assert verdict_of(case("B01", outcome) for outcome in outcomes) is verdict


def test_exit_codes_are_those_of_the_design() -> None:
    """2 is for an environment that allows no run at all."""
    assert [int(verdict.value) for verdict in Verdict] == [0, 1, 3, 4]


def test_what_else_holds_says_nothing_about_the_series() -> None:
    """Where rows about it ran, one of them has to be shown."""
    older, about_it = case("B01", Outcome.HOLDS), case("B02", Outcome.NOT_TESTABLE)
    about_it.series = True
    assert verdict_of([older, about_it]) is Verdict.NOTHING
    about_it.outcome = Outcome.HOLDS
    assert verdict_of([older, about_it]) is Verdict.PROVEN


@pytest.mark.parametrize("outcome", [Outcome.BROKEN, Outcome.INCONCLUSIVE, Outcome.UNFINISHED, Outcome.NOT_TESTABLE])
def test_what_holds_is_inconclusive_when_its_control_does_not(outcome: Outcome) -> None:
    """A kernel that never waits must not pass the tests that say it does not wait."""
    cases = [case("B05", outcome), case("B06", Outcome.HOLDS, "B05"), case("B10", Outcome.BROKEN, "B05")]
    apply_controls(cases)
    assert [c.outcome for c in cases] == [outcome, Outcome.INCONCLUSIVE, Outcome.BROKEN]
    assert cases[1].reason == f"its control B05 is {outcome.value}: behaviour B05"


def test_every_case_of_a_control_must_hold() -> None:
    """A control with several cases counts as a whole."""
    cases = [case("B05", Outcome.HOLDS), case("B05", Outcome.BROKEN), case("B06", Outcome.HOLDS, "B05")]
    apply_controls(cases)
    assert cases[2].outcome is Outcome.INCONCLUSIVE


def test_a_control_counts_where_it_can_be_shown() -> None:
    """A GPU without a graphics ring has the case of the control that is about compute rings."""
    cases = [case("B05", Outcome.NOT_TESTABLE), case("B05", Outcome.HOLDS), case("B06", Outcome.HOLDS, "B05")]
    apply_controls(cases)
    assert cases[2].outcome is Outcome.HOLDS


def test_what_holds_is_inconclusive_without_its_control() -> None:
    """The control must run in the same process."""
    cases = [case("B06", Outcome.HOLDS, "B05")]
    apply_controls(cases)
    assert cases[0].outcome is Outcome.INCONCLUSIVE
    assert "was not run" in cases[0].reason


def test_what_holds_stays_so_when_its_controls_hold() -> None:
    """The normal course."""
    cases = [case("B05", Outcome.HOLDS), case("B06", Outcome.HOLDS, "B05")]
    apply_controls(cases)
    assert cases[1].outcome is Outcome.HOLDS


def test_rows_sort_as_in_the_table() -> None:
    """By number, a control before what it controls, additions behind."""
    rows = ["T01", "B10", "B23a", "B07", "O1", "B07c", "B23", "B02"]
    assert sorted(rows, key=row_order) == ["B02", "B07c", "B07", "B10", "B23", "B23a", "O1", "T01"]


def test_a_case_in_json_has_everything() -> None:
    """Evidence with its numbers, gates, attempts and time included."""
    one = case("B06", Outcome.HOLDS, "B05")
    one.evidence.append(Evidence("fence", "update fence signalled", {"signalled_ns": 400}))
    value = one.to_json()
    assert value["evidence"] == [{"kind": "fence", "text": "update fence signalled", "facts": {"signalled_ns": 400}}]
    assert value["outcome"] == "holds"
    assert value["controls"] == ["B05"]
    assert {"gates", "attempts", "duration_ns", "done", "reason", "test"} <= value.keys()


def test_the_test_name_is_what_k_takes() -> None:
    """Without file and parameters."""
    assert case("B06", Outcome.HOLDS).test_name == "test_B06"
