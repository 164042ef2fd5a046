# SPDX-License-Identifier: MIT
"""Covering arrays, and the rules that say what their cases must show."""

from __future__ import annotations

import itertools

import pytest

from amdgpu_hw.proof.covering import covering
from amdgpu_hw.proof.sync_rules import MemorySort, waits_for_jobs
from amdgpu_hw.proof.updates.cases import AXES as CASE_AXES
from amdgpu_hw.proof.updates.cases import cases, is_possible

AXES = {"one": ("a", "b", "c"), "two": ("x", "y"), "three": ("1", "2", "3")}


def pairs(case: dict[str, str]) -> set[frozenset[tuple[str, str]]]:
    """Every two circumstances of a case."""
    return {frozenset(pair) for pair in itertools.combinations(case.items(), 2)}


def test_every_pair_occurs() -> None:
    """And not every combination."""
    found = covering(AXES)
    everything = [dict(zip(AXES, values, strict=True)) for values in itertools.product(*AXES.values())]
    assert set().union(*map(pairs, found)) == set().union(*map(pairs, everything))
    assert len(found) < len(everything)


def test_what_is_impossible_does_not_occur() -> None:
    """Everything else does."""
    found = covering(AXES, lambda case: (case.get("one"), case.get("two")) != ("a", "y"))
    assert not any((case["one"], case["two"]) == ("a", "y") for case in found)
    assert {case["three"] for case in found if case["one"] == "a"} == {"1", "2", "3"}


@pytest.mark.parametrize("explicit", [False, True])
def test_the_cases_of_updates_leave_no_possible_pair_out(explicit: bool) -> None:
    """What is impossible comes from operation and neighbours, or from what must be moved beside what must wait."""
    found = [vars(case) for case in cases(explicit)]
    for (axis, values), (other, others) in itertools.combinations(CASE_AXES.items(), 2):
        missing = set(itertools.product(values, others)) - {(case[axis], case[other]) for case in found}
        assert not [pair for pair in missing if can_be(dict(zip((axis, other), pair, strict=True)), explicit)]


def can_be(pair: dict[str, str], explicit: bool) -> bool:
    """Whether any case can have both."""
    all_values = [(pair[axis],) if axis in pair else values for axis, values in CASE_AXES.items()]
    return any(
        is_possible(dict(zip(CASE_AXES, values, strict=True)), explicit) for values in itertools.product(*all_values)
    )


def test_only_a_flag_and_nothing_that_can_be_freed_saves_from_waiting() -> None:
    """All rules that there are."""
    safe = (MemorySort.ALWAYS_VALID, MemorySort.PRT)
    assert not waits_for_jobs(safe, explicit=True)
    assert waits_for_jobs(safe, explicit=False)
    for at in range(3):
        taken = [*safe]
        taken.insert(at, MemorySort.OTHER)
        assert waits_for_jobs(taken, explicit=True)
