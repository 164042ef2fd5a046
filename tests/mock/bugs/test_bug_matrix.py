# SPDX-License-Identifier: MIT
"""The bug matrix: what it makes of runs, and a representative part of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matrix.judge import Catch, Matrix, judge
from matrix.plan import (
    EXHAUSTIVE_ROWS,
    CaseResult,
    MatrixRun,
    Plan,
    RunResult,
    Selection,
    choose_bugs,
    plan,
    quick_bugs,
)
from matrix.slot import Slot
from matrix.warm import one_case

from amdgpu_hw.mock.planting import Bug, PlantedBug
from amdgpu_hw.mock.variants import DEFAULT_VARIANT
from amdgpu_hw.proof.behaviour import Behaviour
from tests import plain_environment

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "scripts"

SOUND = MatrixRun("navi31", DEFAULT_VARIANT)
WRONG = MatrixRun("navi31", DEFAULT_VARIANT, "made_here")


def case(row: str, outcome: str = "holds") -> CaseResult:
    """A test of a row."""
    return CaseResult(f"tests/hw/test.py::test_{row}", row, outcome, "seen")


def result(run: MatrixRun, *cases: CaseResult, oopses: int = 0, trouble: str = "") -> RunResult:
    """A run with these cases."""
    return RunResult(run, cases, oopses, 1.0, trouble)


def matrix(wrong: RunResult, sound: RunResult, bug: Bug) -> Matrix:
    """The matrix of one bug."""
    return judge(Plan((PlantedBug("made_here", "Wrong.", bug, ()),), (SOUND, WRONG)), [sound, wrong], 1.0)


@pytest.mark.parametrize(
    ("wrong", "catch"),
    [
        (result(WRONG, case("B05"), case("B06", "broken")), Catch.CAUGHT),
        (result(WRONG, case("B05", "broken"), case("B06")), Catch.WRONG_ROW),
        (result(WRONG, case("B05"), case("B06")), Catch.MISSED),
        (result(WRONG, case("B05"), case("B06", "inconclusive")), Catch.MISSED),
        (result(WRONG, case("B05"), case("B06", "not testable")), Catch.SILENCED),
        (result(WRONG, case("B05", "not testable"), case("B06", "broken")), Catch.CAUGHT),
        (result(WRONG, case("B05"), oopses=1), Catch.CRASHED),
        (result(WRONG, trouble="the suite was killed by signal 11"), Catch.CRASHED),
        (result(WRONG, case("B06", "broken"), trouble="did not end"), Catch.CAUGHT),
    ],
)
def test_a_bug_is_caught_by_a_broken_row_that_names_it(wrong: RunResult, catch: Catch) -> None:
    """Not by another row, not by a result that proves nothing, not by a row that cannot be tested, not by a crash."""
    found = matrix(wrong, result(SOUND, case("B05"), case("B06")), Bug(caught_by=("B06",)))
    assert [verdict.catch for verdict in found.bugs] == [catch]
    assert found.is_good == (catch is Catch.CAUGHT)


def test_what_is_broken_without_the_bug_catches_nothing() -> None:
    """And is a false alarm where nothing may be broken."""
    found = matrix(result(WRONG, case("B06", "broken")), result(SOUND, case("B06", "broken")), Bug(caught_by=("B06",)))
    assert found.bugs[0].catch is Catch.MISSED
    assert found.false_alarms == {SOUND: ("B06 broken: seen",)}
    assert not found.is_good


@pytest.mark.parametrize("outcome", ["broken", "inconclusive", "did not finish"])
def test_whatever_proves_nothing_on_a_right_kernel_is_a_false_alarm(outcome: str) -> None:
    """Not testable is not: the row says why."""
    found = judge(Plan((), (SOUND,)), [result(SOUND, case("B05", outcome), case("B06", "not testable"))], 1.0)
    assert found.false_alarms == {SOUND: (f"B05 {outcome}: seen",)}


def test_what_is_known_of_a_released_kernel_is_no_false_alarm() -> None:
    """But that it holds where it is known not to is."""
    known = replace(case("O80", "broken"), is_expected=True)
    assert not judge(Plan((), (SOUND,)), [result(SOUND, known)], 1.0).false_alarms
    holds = replace(case("O80"), unexpected="holds, though it is expected to fail")
    found = judge(Plan((), (SOUND,)), [result(SOUND, holds)], 1.0)
    assert found.false_alarms == {SOUND: ("O80 holds: holds, though it is expected to fail",)}


def test_a_bug_that_no_program_can_tell_must_not_be_told() -> None:
    """Else its reason is wrong."""
    bug = Bug(caught_by=(), equivalent="nobody looks")
    sound = result(SOUND, case("B06"))
    assert matrix(result(WRONG, case("B06")), sound, bug).bugs[0].catch is Catch.EQUIVALENT
    assert matrix(result(WRONG, case("B06", "broken")), sound, bug).bugs[0].catch is Catch.TOLD_APART


def test_rows_without_work_are_named() -> None:
    """One that caught nothing, and one that is not alone with what it caught."""
    wrong = result(WRONG, case("B05"), case("B06", "broken"), case("B07", "broken"))
    sound = result(SOUND, case("B05"), case("B06"), case("B07"))
    found = matrix(wrong, sound, Bug(caught_by=("B06", "B07")))
    assert (found.idle_rows, found.spare_rows) == (["B05"], ["B06", "B07"])
    found = matrix(wrong, sound, Bug(caught_by=("B06",)))
    assert (found.idle_rows, found.spare_rows) == (["B05"], ["B07"])
    assert found.to_json()["rows_that_caught_nothing"] is None, "nobody has run them with every bug"
    assert replace(found, others=True).to_json()["rows_that_caught_nothing"] == ["B05"]


def test_every_bug_is_compared_with_its_kernel_on_its_gpu() -> None:
    """Also where that is not among the kernels that are run anyway; nothing is run twice."""
    work = plan(choose_bugs(["m0*"]), [SOUND, MatrixRun("mi300x", "base")], quick=False)
    assert len(set(work.runs)) == len(work.runs)
    for run in work.runs:
        assert run.sound in work.runs
    assert not work.rows


def test_the_quick_part_runs_the_rows_that_name_its_bugs() -> None:
    """A few bugs, spread over all of them."""
    bugs = quick_bugs(choose_bugs([]))
    assert 5 <= len(bugs) <= 8
    assert {bug.name[0] for bug in bugs} == {"m", "x"}
    assert set(plan(bugs, (), quick=True).rows) == {row for bug in bugs for row in bug.bug.caught_by}


def test_exhaustive_rows_run_without_bugs_and_with_those_that_name_them() -> None:
    """They cost as much as all others together; --everything runs them everywhere."""
    bug = PlantedBug("made_here", "Wrong.", Bug(caught_by=("B06", "P01")), ())
    work = plan([bug], (), quick=False)
    sound = work.selection(SOUND)
    assert not sound.one_case
    assert set(sound.without) == set(EXHAUSTIVE_ROWS) - {"P01"}, "what the bug is held against"
    assert plan([bug], (), quick=False, others=True).selection(SOUND) == Selection(by_expectations=True)
    chosen = work.selection(WRONG)
    assert chosen.first == ("B06", "P01")
    assert set(chosen.without) == set(EXHAUSTIVE_ROWS) - {"P01"}
    assert chosen.one_case
    everywhere = plan([bug], (), quick=False, everything=True).selection(WRONG)
    assert (everywhere.without, everywhere.one_case) == ((), False)


def test_a_caught_bug_is_not_run_with_other_rows_unless_they_are_asked_for() -> None:
    """One broken row that names it is enough, but where rows are broken without it; for equivalent ones none is."""
    bug = PlantedBug("made_here", "Wrong.", Bug(caught_by=("B06", "P01")), ())
    quick, others = (plan([bug], (), quick=False, others=others).selection(WRONG) for others in (False, True))
    assert (quick.enough, others.enough) == (("B06", "P01"), ())
    assert not plan([bug], (), quick=False, everything=True).selection(WRONG).enough
    known = replace(bug, bug=replace(bug.bug, kernel="series-v1"))
    assert not plan([known], (), quick=False).selection(MatrixRun("navi31", "series-v1", "made_here")).enough
    untold = replace(bug, bug=Bug(caught_by=(), equivalent="nobody looks"))
    whole = plan([untold], (), quick=False).selection(WRONG)
    assert not whole.enough
    assert whole.seconds > quick.seconds


def test_slow_runs_are_apart_and_every_run_is_there_once() -> None:
    """They wait while others run. Runs without a bug come first."""
    bugs = choose_bugs(["m2*", "m60*"])
    work = plan(bugs, [SOUND], quick=False)
    assert [run.bug for run in work.slow] == ["m25_close_waits", "m60_wait_timeout_relative"]
    assert work.runs[0] == SOUND
    assert len(set(work.all_runs)) == len(work.all_runs) == 1 + len(bugs)


def test_a_bug_that_needs_an_option_is_held_against_the_kernel_with_that_option() -> None:
    """Both runs have the same module parameters, and say so."""
    (bug,) = bugs = choose_bugs(["x43_*"])
    work = plan(bugs, [SOUND], quick=False)
    wrong = MatrixRun.of(bug)
    assert work.runs == (SOUND, wrong.sound, wrong)
    assert wrong.parameters == wrong.sound.parameters == (("debug_mask", 1),)
    assert str(wrong.sound) == f"{DEFAULT_VARIANT} debug_mask=1 on navi31"
    sound, full = work.selection(wrong.sound), work.selection(SOUND)
    assert (sound.first, sound.without, sound.one_case) == (("B43",), EXHAUSTIVE_ROWS, True)
    assert (full.first, full.without, full.one_case) == ((), EXHAUSTIVE_ROWS, False)
    everything = plan(bugs, [SOUND], quick=False, everything=True)
    assert everything.selection(wrong.sound) == everything.selection(SOUND) == replace(full, without=())


def test_rows_of_a_kernel_with_findings_are_run_to_their_end() -> None:
    """A case that is broken without the bug says nothing about the others."""
    known = PlantedBug("made_here", "Wrong.", Bug(caught_by=("B06",), kernel="series-v1"), ())
    work = plan([known], (), quick=False)
    assert not work.selection(MatrixRun("navi31", "series-v1", "made_here")).until_broken
    assert plan([replace(known, bug=Bug(caught_by=("B06",)))], (), quick=False).selection(WRONG).until_broken


def test_what_was_not_caught_is_looked_at_again_for_longer() -> None:
    """Only by rows that name the bug; what they see then counts."""
    bug = PlantedBug("made_here", "Wrong.", Bug(caught_by=("B06", "B07")), ())
    work = plan([bug], (), quick=False)
    assert work.selection(WRONG).watch_ms is not None
    assert work.second_look(result(WRONG, case("B05"), case("B06", "broken"))) is None
    assert work.second_look(result(SOUND, case("B06"))) is None
    missed = result(WRONG, case("B05"), case("B06"))
    assert work.second_look(missed) == Selection(only=("B06", "B07"), seconds=90.0)
    both = missed.with_second_look(result(WRONG, case("B06", "broken"), oopses=1))
    assert both.cases == (case("B05"), case("B06", "broken"))
    assert (both.oopses, both.seconds) == (1, 2.0)


def test_one_case_of_each_test_is_left_but_for_some_rows() -> None:
    """The first; in a row that is to be run whole, all of them."""
    made = [
        ("t.py::a[1]", "B01"),
        ("t.py::a[2]", "B01"),
        ("t.py::b", "B01"),
        ("t.py::c[1]", "B02"),
        ("t.py::c[2]", "B02"),
    ]
    items: list[Any] = [_Item(nodeid, row) for nodeid, row in made]
    assert [item.nodeid for item in one_case(items, but=("B02",))] == [
        "t.py::a[1]",
        "t.py::b",
        "t.py::c[1]",
        "t.py::c[2]",
    ]


class _Item:
    """What a collected test says of itself."""

    def __init__(self, nodeid: str, row: str) -> None:
        self.nodeid = nodeid
        self._marker = SimpleNamespace(args=(Behaviour(row, "is shown"),))

    def get_closest_marker(self, _name: str) -> SimpleNamespace:
        """The behaviour."""
        return self._marker


def run(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    environment = plain_environment()
    command = [sys.executable, str(SCRIPTS / "bug_matrix.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)


def test_a_representative_part_of_the_bugs_is_caught(tmp_path: Path) -> None:
    """By rows that name them, and nothing is broken without them; the files say the same."""
    done = run("--quick", "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("*.json")
    saved: dict[str, Any] = json.loads(file.read_text())
    assert saved["good"]
    assert saved["summary"]["caught"] == len(saved["bugs"]) >= 5
    assert all(set(bug["named_rows"]) <= set(bug["caught_by"]) for bug in saved["bugs"])
    assert file.with_suffix(".txt").read_text() in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--bug", "zzz*"], "no planted bug matches 'zzz*'"),
        (["--gpus", "navi99"], "there is no mock GPU called 'navi99'; there are: "),
    ],
)
def test_a_wrong_name_is_one_sentence(arguments: list[str], says: str) -> None:
    """Before anything is run."""
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"bug_matrix: {says}")
    assert len(done.stderr.splitlines()) == 1


def test_rows_after_one_that_is_broken_already_run_all_the_same() -> None:
    """Its other cases are left out; so is everything else only where that is asked for."""
    run = MatrixRun("navi31", "series-fixed", "m60_wait_timeout_relative")
    rows = ("T15", "T11")
    with Slot() as slot:
        found = slot.run(run, Selection(only=rows, first=("T15",), until_broken=True, seconds=120))
        stopped = slot.run(run, Selection(only=rows, then=("T15",), enough=("T15",), seconds=120))
    assert not found.trouble
    assert (found.rows("broken"), found.rows("holds") - {"T15"}) == ({"T15"}, {"T11"})
    assert (stopped.rows("broken"), stopped.rows("holds") - {"T15"}) == ({"T15"}, set())


def test_more_patience_lets_runs_take_longer() -> None:
    """On a machine that is busy with other things."""
    bugs = choose_bugs(["m05*"])
    usual, patient = plan(bugs, (), quick=False), plan(bugs, (), quick=False, patience=3)
    for run in usual.all_runs:
        assert patient.selection(run).seconds == 3 * usual.selection(run).seconds
