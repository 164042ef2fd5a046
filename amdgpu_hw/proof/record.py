# SPDX-License-Identifier: MIT
"""What the running test did and saw, in the order it happened."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.verdict.model import Evidence

__all__ = ("Broken", "Inconclusive", "NotAsked", "NotTestable", "Record")


class Broken(AssertionError):
    """The kernel did what it must not do."""


class Inconclusive(Exception):
    """What was seen proves nothing; the test is worth another try."""


class NotTestable(Exception):
    """The behaviour cannot be shown here; the message says why.

    ``missing`` names the capability that is missing, if it is that.
    """

    def __init__(self, why: str, missing: str = "") -> None:
        super().__init__(why)
        self.missing = missing


class NotAsked(NotTestable):
    """The run leaves the test out; ``option`` takes it in, and the message names it."""

    def __init__(self, why: str, option: str) -> None:
        super().__init__(why)
        self.option = option


class Record:
    """The notes of one test; they end up in its `Case`."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.evidence: list[Evidence] = []
        self.gates: list[str] = []

    def did(self, what: str) -> None:
        """Note a step, e.g. ``CLEAR(EXPLICIT_SYNC) of 0x...+64 KiB``; repeating the last one adds nothing."""
        if not self.done or self.done[-1] != what:
            self.done.append(what)

    def saw(self, kind: str, text: str, **facts: Any) -> None:
        """Note evidence; see `Evidence`."""
        self.evidence.append(Evidence(kind, text, facts))

    def held_by(self, gate: str) -> None:
        """Note the gate that held work back."""
        if gate not in self.gates:
            self.gates.append(gate)

    def clear(self) -> None:
        """Forget everything, for another try."""
        self.done.clear()
        self.evidence.clear()
        self.gates.clear()
