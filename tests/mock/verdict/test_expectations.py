# SPDX-License-Identifier: MIT
"""Expectations: which outcome fails a run that goes by them, and which entries are wrong themselves."""

from __future__ import annotations

import pytest

from amdgpu_hw.verdict.expectations import Expectation, Expectations, Status, compare, names_of
from amdgpu_hw.verdict.model import Case, Outcome, Verdict, verdict_of

ALL = ("B07", "B07[CLEAR]", "B07[UNMAP]", "test_B07", "B30", "test_B30")


def case(row: str, outcome: Outcome, parameters: str = "", missing: str = "") -> Case:
    """A finished case of a row."""
    suffix = f"[{parameters}]" if parameters else ""
    return Case(f"tests/hw/test_x.py::test_{row}{suffix}", row, f"behaviour {row}", (), outcome, missing=missing)


def entries(**statuses: Status) -> Expectations:
    """Expectations of these names; underscores in a name stand for what a keyword cannot hold."""
    found = Expectations("expectations")
    for number, (name, status) in enumerate(statuses.items(), 1):
        name = name.replace("__", "[", 1).replace("__", "]") if "__" in name else name.replace("needs_", "needs ")
        found.entries[name] = Expectation(name, status, "F4: known.", f"f.txt:{number}")
    return found


FAILED = (Outcome.BROKEN, Outcome.UNFINISHED, Outcome.INCONCLUSIVE)
STATUSES = {Outcome.BROKEN: Status.FAIL, Outcome.UNFINISHED: Status.CRASH, Outcome.INCONCLUSIVE: Status.INCONCLUSIVE}


@pytest.mark.parametrize("outcome", FAILED)
def test_a_known_finding_does_not_fail_the_run(outcome: Outcome) -> None:
    """And the verdict tells the reason with its place."""
    cases = [case("B30", outcome), case("B01", Outcome.HOLDS)]
    assert compare(cases, entries(B30=STATUSES[outcome]), {}) == []
    assert cases[0].expected == "F4: known. (f.txt:1)"
    assert verdict_of(cases) is Verdict.PROVEN


@pytest.mark.parametrize("outcome", FAILED)
def test_a_finding_that_no_entry_names_fails_the_run(outcome: Outcome) -> None:
    """As without expectations."""
    cases = [case("B30", outcome), case("B01", Outcome.HOLDS)]
    compare(cases, entries(B31=Status.FAIL), {})
    assert verdict_of(cases) is (Verdict.BROKEN if outcome is Outcome.BROKEN else Verdict.INCOMPLETE)


def test_a_finding_of_another_kind_fails_the_run() -> None:
    """A crash is not the known failure."""
    cases = [case("B30", Outcome.UNFINISHED)]
    compare(cases, entries(B30=Status.FAIL), {})
    assert cases[0].unexpected == "f.txt:1 expects Fail: mend the entry, or find out what changed"
    assert verdict_of(cases) is Verdict.BROKEN


@pytest.mark.parametrize("status", [Status.FAIL, Status.CRASH, Status.INCONCLUSIVE, Status.SKIP])
def test_an_unexpected_pass_fails_the_run(status: Status) -> None:
    """The entry has had its day."""
    cases = [case("B30", Outcome.HOLDS)]
    compare(cases, entries(B30=status), {})
    assert verdict_of(cases) is Verdict.BROKEN


def test_an_unexpected_skip_fails_the_run() -> None:
    """What was proven yesterday must not quietly stop to be."""
    cases = [case("B30", Outcome.NOT_TESTABLE), case("B01", Outcome.HOLDS)]
    compare(cases, entries(), {})
    assert "no entry of expectations expects" in cases[0].unexpected
    assert verdict_of(cases) is Verdict.BROKEN


def test_what_an_option_leaves_out_is_no_skip() -> None:
    """Nobody asked for it."""
    cases = [case("B30", Outcome.NOT_TESTABLE), case("B01", Outcome.HOLDS)]
    cases[0].asked = False
    compare(cases, entries(B30=Status.FAIL), {})
    assert verdict_of(cases) is Verdict.PROVEN


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_flake_never_fails_the_run(outcome: Outcome) -> None:
    """But is told when it does not hold."""
    cases = [case("B30", outcome), case("B01", Outcome.HOLDS)]
    compare(cases, entries(B30=Status.FLAKE), {})
    assert verdict_of(cases) is Verdict.PROVEN
    assert bool(cases[0].expected) is (outcome is not Outcome.HOLDS)


def test_one_entry_stands_for_all_that_lacks_a_capability() -> None:
    """Rows that are added later included; a skip for another reason is a surprise."""
    cases = [case("B30", Outcome.NOT_TESTABLE, missing="explicit_sync"), case("B01", Outcome.HOLDS)]
    other = case("B31", Outcome.NOT_TESTABLE, missing="prt")
    assert compare([*cases, other], entries(needs_explicit_sync=Status.SKIP), {"explicit_sync": False}) == []
    assert verdict_of(cases) is Verdict.PROVEN
    assert other.unexpected


def test_a_capability_that_is_there_after_all_is_told() -> None:
    """With file and line."""
    faults = compare([], entries(needs_explicit_sync=Status.SKIP), {"explicit_sync": True})
    assert faults == ["f.txt:1: expects skips for want of explicit_sync, which is there"]


def test_the_most_exact_name_wins() -> None:
    """One case over its row, a test over the row."""
    assert names_of(case("B07", Outcome.HOLDS, "CLEAR")) == ["test_B07[CLEAR]", "test_B07", "B07[CLEAR]", "B07"]
    cases = [case("B07", Outcome.BROKEN, "CLEAR"), case("B07", Outcome.HOLDS, "UNMAP")]
    compare(cases, entries(B07__CLEAR__=Status.FAIL), {})
    assert verdict_of(cases) is Verdict.PROVEN


def test_names_that_mean_nothing_are_told_when_everything_ran() -> None:
    """With file and line; a run of some tests cannot tell."""
    stale = entries(B99=Status.FAIL, B30=Status.FLAKE, needs_magic=Status.SKIP)
    assert compare([case("B30", Outcome.HOLDS)], stale, {}, ALL) == [
        "f.txt:1: no test is called 'B99': name a row as B07, or one case of it as B07[CLEAR]",
        "f.txt:3: no test was skipped for want of 'magic'",
    ]
    assert compare([], stale, {}) == []


def test_only_some_entries_forbid_a_test_to_start() -> None:
    """A skip is asked for again each time, what takes the machine down is not."""
    both = entries(B30=Status.NOT_RUN, B07=Status.SKIP)
    assert both.not_run(case("B30", Outcome.UNFINISHED)) is both.entries["B30"]
    assert both.not_run(case("B07", Outcome.UNFINISHED)) is None
    cases = [case("B30", Outcome.NOT_TESTABLE), case("B01", Outcome.HOLDS)]
    compare(cases, both, {})
    assert verdict_of(cases) is Verdict.PROVEN
