# SPDX-License-Identifier: MIT
"""Opening all gates at once."""

from __future__ import annotations

import errno
from typing import Any, cast

import pytest

from amdgpu_hw.gate import Gate, base, open_all, open_what_can_be
from amdgpu_hw.sync import SyncFile


class StandIn:
    """Notes that it was opened, or cannot be: its kernel is gone."""

    def __init__(self, error: OSError | None = None) -> None:
        self.error, self.by = error, ""

    def open(self, by: str) -> None:
        """As a gate's."""
        if self.error is not None:
            raise self.error
        self.by = by


class Descriptor:
    """Of a sync file or a syncobj; closing it is told."""

    def __init__(self, name: str, told: list[str]) -> None:
        self.name, self.told = name, told

    def close(self) -> None:
        """Its kernel is gone."""
        self.told.append(self.name)
        raise OSError(errno.ENODEV, "No such device")


class LostGate(Gate):
    """Of a kernel that is gone before the gate was opened."""

    name = "lost"

    def __init__(self) -> None:
        self.told: list[str] = []
        super().__init__(cast("SyncFile", Descriptor("sync file", self.told)), 3_600_000_000_000, "a test")
        self._fences.append(cast("Any", Descriptor("syncobj", self.told)))

    def _signal(self) -> str | None:
        self.told.append("signal")
        raise OSError(errno.ENODEV, "No such device")

    def _release(self) -> None:
        self.told.append("release")


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


def test_a_gate_whose_device_is_gone_is_given_back_once() -> None:
    """Its descriptors' numbers may be somebody else's afterwards: nobody signals or closes them again."""
    gate = LostGate()
    with pytest.raises(OSError, match="No such device"):
        gate.close()
    assert gate.told == ["signal", "syncobj", "sync file", "release"]
    assert gate not in base.shut_gates()
    gate.open("the interpreter's exit")
    gate.close()
    assert gate.told[4:] == []
