# SPDX-License-Identifier: MIT
"""Opening all gates at once."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from amdgpu_hw.gate import base, open_all, open_what_can_be


class StandIn:
    """Notes that it was opened, or cannot be: its kernel is gone."""

    def __init__(self, error: OSError | None = None) -> None:
        self.error, self.by = error, ""

    def open(self, by: str) -> None:
        """As a gate's."""
        if self.error is not None:
            raise self.error
        self.by = by


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> list[StandIn]:
    """Three that are shut; the first cannot be opened."""
    gates: list[Any] = [StandIn(OSError(errno.ENODEV, "No such device")), StandIn(), StandIn()]
    monkeypatch.setattr(base, "_shut", dict.fromkeys(gates))
    return gates


def test_a_gate_that_cannot_be_opened_keeps_no_other_shut(gates: list[StandIn]) -> None:
    """And it is told all the same."""
    with pytest.raises(OSError, match="No such device"):
        open_all("the test")
    assert [gate.by for gate in gates] == ["", "the test", "the test"]


def test_on_the_way_out_nothing_is_told_of_a_device_that_is_gone(gates: list[StandIn]) -> None:
    """At the interpreter's exit it would be a traceback; in a watchdog's thread the end of the watchdog."""
    open_what_can_be("the interpreter's exit")
    assert [gate.by for gate in gates] == ["", "the interpreter's exit", "the interpreter's exit"]
