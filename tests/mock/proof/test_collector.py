# SPDX-License-Identifier: MIT
"""What the end of a test means, and which tests run before which."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from amdgpu_hw.errors import DrmError, FeatureMissing, GateError, PendingWork
from amdgpu_hw.proof.behaviour import Behaviour
from amdgpu_hw.proof.collector import explain, judge, with_controls
from amdgpu_hw.proof.record import Broken, Inconclusive, NotTestable
from amdgpu_hw.verdict.model import Outcome


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NotTestable("no"), Outcome.NOT_TESTABLE),
        (FeatureMissing("no"), Outcome.NOT_TESTABLE),
        (Broken("no"), Outcome.BROKEN),
        (AssertionError("no"), Outcome.BROKEN),
        (PendingWork("no"), Outcome.BROKEN),
        (DrmError(errno.EINVAL, "GEM_VA"), Outcome.BROKEN),
        (DrmError(errno.ENODEV, "GEM_VA"), Outcome.UNFINISHED),
        (Inconclusive("no"), Outcome.INCONCLUSIVE),
        (GateError("no"), Outcome.INCONCLUSIVE),
        (KeyboardInterrupt(), Outcome.UNFINISHED),
        (TypeError("no"), Outcome.UNFINISHED),
    ],
)
def test_what_the_end_of_a_test_means(error: BaseException, outcome: Outcome) -> None:
    """Only what the kernel did is held against it; a fault of the harness is none of its."""
    judged, reason = judge(error)
    assert judged is outcome
    assert reason


def test_rule_and_finding_explain_a_break() -> None:
    """The rule first, then which suspected fault it looks like."""
    text = explain(Behaviour("O1", "text", rule="It has to.", finding="F1: it forgets."))
    assert text == "It has to. This is what a suspected fault of the series looks like: F1: it forgets."
    assert explain(Behaviour("B01", "text")) == ""


class Item:
    """As much of a pytest item as the order needs."""

    def __init__(self, row: str | None, *controls: str) -> None:
        self.row = row
        self._behaviour = Behaviour(row, "text", controls) if row else None

    def get_closest_marker(self, name: str) -> Any:
        return type("Mark", (), {"args": (self._behaviour,)})() if self._behaviour else None


def rows(items: list[Any]) -> list[str | None]:
    """Their rows."""
    return [item.row for item in items]


def test_controls_come_first() -> None:
    """Also those of controls, and each test once."""
    items: Any = [Item("O1", "B16"), Item("B16", "B05"), Item(None), Item("B06", "B05"), Item("B05")]
    assert rows(with_controls(items, items)) == ["B05", "B16", "O1", None, "B06"]


def test_controls_that_were_deselected_come_back() -> None:
    """``-k`` must not make a test prove nothing."""
    control, test, other = Item("B05"), Item("B06", "B05"), Item("B01")
    everything: Any = [control, test, other]
    assert rows(with_controls(everything[1:2], everything)) == ["B05", "B06"]


def test_controls_of_each_other_end() -> None:
    """Each is the opposite of the other."""
    items: Any = [Item("B05", "B16"), Item("B16", "B05")]
    assert sorted(rows(with_controls(items, items)), key=str) == ["B05", "B16"]
