# SPDX-License-Identifier: MIT
"""Lanes of gates and fences from the moments that the evidence has."""

from __future__ import annotations

from typing import Any

import pytest

from amdgpu_hw.report.timeline import Lane, Span, timeline
from amdgpu_hw.verdict.model import Case, Evidence


def case(*facts: dict[str, Any]) -> Case:
    """A case with this evidence."""
    found = Case("t", "B05", "waits", gates=["vgem"])
    found.evidence = [Evidence("fence", "seen", each) for each in facts]
    return found


def watched(
    began: int, ended: int, *, done: bool, opened: int | None = None, name: str = "update fence"
) -> dict[str, Any]:
    """The facts of watching a fence under a gate that was shut at 100."""
    times = {"shut_at": 100, "opened_at": opened, "began_at": began, "ended_at": ended}
    return {"watched": name, "held": "job 1", "done": done, **times}


def test_a_fence_that_waits_for_the_gate_signals_after_it() -> None:
    """One gate and one fence, from the moment that the gate was shut."""
    picture = timeline(case(watched(110, 200, done=False), watched(210, 230, done=True, opened=205)))
    assert picture is not None
    assert picture.length_ns == 130
    assert picture.lanes == [
        Lane("vgem holds job 1", [Span("shut", 0, 105)]),
        Lane("update fence", [Span("waiting", 10, 100, is_open_ended=True), Span("signalled", 110, 130)]),
    ]


def test_a_gate_whose_opening_nobody_saw_is_shut_beyond() -> None:
    """And what comes after a fence has signalled is another fence."""
    picture = timeline(case(watched(110, 120, done=True), watched(130, 140, done=True)))
    assert picture is not None
    assert [lane.name for lane in picture.lanes] == ["vgem holds job 1", "update fence", "update fence"]
    assert picture.lanes[0].spans == [Span("shut", 0, 40, is_open_ended=True)]


@pytest.mark.parametrize("facts", [{}, {"signalled_ns": 3}, {"shut_at": 1, "began_at": "x", "ended_at": 2}])
def test_evidence_without_moments_draws_nothing(facts: dict[str, Any]) -> None:
    """Files of older versions have none, and a file may say anything."""
    assert timeline(case(facts)) is None
