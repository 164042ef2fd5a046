# SPDX-License-Identifier: MIT
"""Which place takes which order."""

from __future__ import annotations

from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.schedule import Schedule

A, B, C = Order("navi31", "a", 1), Order("navi31", "b", 1), Order("navi31", "a", 2)


def test_a_place_keeps_the_kernel_that_runs_there() -> None:
    """A boot takes minutes."""
    schedule = Schedule({A: ["x"], B: ["x"], C: ["x"]})
    assert [schedule.take("x"), schedule.take("x"), schedule.take("x")] == [A, C, B]
    assert schedule.take("x") is None


def test_what_few_places_can_take_comes_first() -> None:
    """So that nobody waits for it at the end."""
    schedule = Schedule({A: ["x", "y"], B: ["x"]})
    assert schedule.take("x") == B


def test_a_place_takes_only_what_it_can() -> None:
    """An order for another GPU is not for it."""
    assert Schedule({A: ["x"]}).take("y") is None


def test_what_a_broken_place_did_not_end_is_taken_by_another() -> None:
    """By one that can; the broken one gets it no more."""
    schedule = Schedule({A: ["x", "y"]})
    assert schedule.take("x") == A
    assert schedule.put_back(A, "x")
    assert schedule.withdraw("x") == []
    assert schedule.take("x") is None
    assert schedule.take("y") == A


def test_what_nobody_can_take_any_more_is_known() -> None:
    """At once, not at the end."""
    schedule = Schedule({A: ["x"], B: ["x", "y"], C: ["x"]})
    assert schedule.take("x") == A
    assert not schedule.put_back(A, "x")
    assert schedule.withdraw("x") == [C]
    assert schedule.waiting == [B]
