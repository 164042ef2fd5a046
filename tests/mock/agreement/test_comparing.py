# SPDX-License-Identifier: MIT
"""What two machines answered, held against each other: whatever differs is found, by name and in which respect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from agreement.comparing import compare_calls, compare_programs, compare_rows, program_findings
from agreement.findings import Area, Differences, Disagreement, KnownDifference, load_differences

from amdgpu_hw.verdict.model import Case, Evidence, Outcome
from amdgpu_hw.verdict.results import Results

END: dict[str, Any] = {"all signalled": True, "mappings": {"A": [[0, 1, 0, 6]]}, "data": ["0-0: A from 0"]}


def steps(*answers: dict[str, Any], **end: Any) -> dict[str, Any]:
    """What came of a program."""
    return {"steps": list(answers), **END, **end}


def whats(guest: dict[str, Any], mock: dict[str, Any]) -> list[str]:
    """In which respects programs differ."""
    return [f"{one.what}: {one.guest} / {one.mock}" for one in program_findings("program 0", guest, mock)]


def test_the_first_step_that_differs_is_told_and_how() -> None:
    """What follows from it is not."""
    guest = steps({"errno": 0}, {"errno": 22, "signalled": ["update 0"]}, {"errno": 0})
    mock = steps({"errno": 0}, {"errno": 0, "signalled": []}, {"errno": 5})
    assert whats(guest, mock) == [
        "errno: step 1: EINVAL / step 1: 0",
        "signalled: step 1: ['update 0'] / step 1: []",
    ]


@pytest.mark.parametrize(
    ("end", "what"),
    [
        ({"data": ["0-0: zeros from 0"]}, "data: ['0-0: A from 0'] / ['0-0: zeros from 0']"),
        ({"mappings": {"A": []}}, "mappings A: [[0, 1, 0, 6]] / []"),
        ({"all signalled": False}, "all signalled: True / False"),
        ({"memory": {"drm-total-gtt": 4}}, "memory: None / {'drm-total-gtt': 4}"),
    ],
)
def test_everything_that_is_there_in_the_end_counts(end: dict[str, Any], what: str) -> None:
    """Data, mappings, fences, counts."""
    assert whats(steps({"errno": 0}), steps({"errno": 0}, **end)) == [what]


@pytest.mark.parametrize("other", [{"blocked": True}, {"died": "exit status 1"}, {}])
def test_a_program_that_did_not_end_is_no_agreement(other: dict[str, Any]) -> None:
    """Blocked, died, or never begun because the machine had ended."""
    assert len(whats(steps({"errno": 0}), other)) == 1
    assert len(whats(other, steps({"errno": 0}))) == 1


def test_programs_that_nobody_answered_do_not_count_as_equal() -> None:
    """A guest that ends in the middle has not agreed with the rest."""
    result = compare_programs([(), ()], [steps()], [steps(), steps()])
    assert (result.compared, result.equal) == (2, 1)
    assert [one.name for one in result.findings] == ["program 1"]


def test_calls_are_compared_by_name() -> None:
    """What neither machine can do is left out and said; what one cannot do differs."""
    guest: list[dict[str, Any]] = [
        {"call": "a", "errno": 0},
        {"call": "b", "errno": 22},
        {"call": "c", "cannot": "no"},
        {"call": "d", "cannot": "no"},
    ]
    mock: list[dict[str, Any]] = [
        {"call": "b", "errno": 2},
        {"call": "a", "errno": 0},
        {"call": "c", "cannot": "no"},
        {"call": "d", "errno": 0},
    ]
    result = compare_calls(["a", "b", "c", "d", "e"], guest, mock)
    assert [(one.name, one.guest, one.mock) for one in result.findings] == [
        ("b", "EINVAL", "ENOENT"),
        ("d", "no", "0"),
        ("e", "did not come to it", "did not come to it"),
    ]
    assert (result.compared, result.equal) == (4, 1)
    assert result.left_out[0] == "c: no"


def results_of(cases: Sequence[Case]) -> Results:
    """A run of the suite."""
    return Results(machine=None, command=[], versions={}, cases=list(cases))  # type: ignore[arg-type]


def case(row: str, outcome: Outcome, *evidence: str) -> Case:
    """One test of a row."""
    return Case(
        f"tests/hw/t.py::test_{row}", row, "", outcome=outcome, evidence=[Evidence("fence", e) for e in evidence]
    )


def test_rows_differ_in_outcome_or_in_what_was_seen() -> None:
    """Numbers in the evidence are times and addresses."""
    guest = results_of(
        [
            case("B1", Outcome.HOLDS, "signalled after 4.1 ms"),
            case("B2", Outcome.BROKEN),
            case("B3", Outcome.HOLDS, "a"),
        ]
    )
    mock = results_of(
        [case("B1", Outcome.HOLDS, "signalled after 70 µs"), case("B2", Outcome.HOLDS), case("B3", Outcome.HOLDS, "b")]
    )
    result = compare_rows(guest, mock)
    assert [(one.name, one.what) for one in result.findings] == [("B2 test_B2", "outcome"), ("B3 test_B3", "evidence")]
    assert (result.compared, result.equal) == (3, 1)


# -- what is listed -----------------------------------------------------------------------------------------------


def finding(name: str = "gem/CREATE (x)", guest: str = "EINVAL") -> Disagreement:
    """A finding of the errnos."""
    return Disagreement(Area.ERRNOS, name, "errno", guest, "0")


def test_a_listed_difference_covers_what_it_says_and_nothing_else() -> None:
    """Area, name, what each side says, kernel and GPU."""
    entry = KnownDifference(Area.ERRNOS, "because", names=["gem/*"], guest="EINVAL", kernels=["7.3"])
    known = Differences([entry], "7.3", "vega10")
    assert known.known(finding()) is entry
    assert known.known(finding(name="cs/x")) is None
    assert known.known(finding(guest="EPERM")) is None
    assert Differences([entry], "6.1", "vega10").known(finding()) is None


def test_an_entry_of_which_nothing_was_seen_is_stale() -> None:
    """Unless it says that it shows only sometimes, or its area was not compared as a whole."""
    gone = KnownDifference(Area.ERRNOS, "gone", names=["x"])
    flaky = KnownDifference(Area.ERRNOS, "flaky", names=["y"], sometimes=True)
    other = KnownDifference(Area.ROWS, "rows", names=["O9*"])
    seen = KnownDifference(Area.ERRNOS, "seen", names=["gem/*"])
    known = Differences([gone, flaky, other, seen], "7.3", "vega10")
    known.known(finding())
    assert known.stale([Area.ERRNOS]) == [gone]
    assert known.stale([]) == []


def test_the_list_that_comes_with_it_can_be_read() -> None:
    """Each entry has a reason."""
    assert all(len(entry.why) > 20 for entry in load_differences())


def test_a_list_with_a_wrong_key_is_refused(tmp_path: Path) -> None:
    """A typing error would cover nothing, or everything."""
    path = tmp_path / "differences.toml"
    path.write_text('[[difference]]\narea = "errnos"\nname = ["x"]\nwhy = "y"\n')
    with pytest.raises(ValueError, match="there is no key"):
        load_differences(path)
