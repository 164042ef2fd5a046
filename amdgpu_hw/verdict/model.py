# SPDX-License-Identifier: MIT
"""What a run found out: one `Case` per test, its evidence, and how cases add up to a verdict.

A case did not finish until proven otherwise, so that a crash in the middle never reads as a success.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from amdgpu_hw.decode import JSON, decode
from amdgpu_hw.exit_status import ExitStatus

__all__ = ("Case", "Evidence", "Outcome", "Verdict", "apply_controls", "row_order", "verdict_of")


class Outcome(Enum):
    """What one case says about the kernel."""

    BROKEN = "broken"
    """The kernel did what it must not do, and the evidence shows it."""
    UNFINISHED = "did not finish"
    """The test was cut short: a crash, a hang, Ctrl-C, or a fault of the harness."""
    FLAKY = "flaky"
    """It was not so at first and was when the test ran again: nobody can rely on it."""
    INCONCLUSIVE = "inconclusive"
    """The evidence proves nothing, e.g. the gate opened early or the control did not hold."""
    HOLDS = "holds"
    """The behaviour was seen."""
    NOT_TESTABLE = "not testable"
    """This kernel, GPU or user cannot show it; the reason says why."""

    @property
    def is_good(self) -> bool:
        """Whether a run with this outcome may still end well."""
        return self in (Outcome.HOLDS, Outcome.NOT_TESTABLE)


class Verdict(Enum):
    """What a whole run says; the value is the exit status."""

    PROVEN = ExitStatus.PROVEN
    """Nothing is broken and something was proven."""
    BROKEN = ExitStatus.BROKEN
    """Something is broken, or otherwise than it was expected to be."""
    INCOMPLETE = ExitStatus.INCOMPLETE
    """Nothing is known to be broken, but a case did not finish, could not be made conclusive, or was not reached."""
    NOTHING = ExitStatus.SILENT
    """Nothing was said about the series, however much holds."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was seen.

    ``kind`` is its rank as evidence: "fence" before "memory" before anything else ("errno", "note"). ``facts`` are
    the numbers behind the sentence; names that end in ``_ns`` are durations in nanoseconds, in ``_at`` moments of
    CLOCK_MONOTONIC in nanoseconds.
    """

    kind: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The form it has in a result file."""
        return {"kind": self.kind, "text": self.text, "facts": dict(self.facts)}


@dataclass(slots=True)
class Case:
    """One test: which row of the behaviour table it proves, what it did, what was seen."""

    test: str
    row: str
    behaviour: str
    controls: tuple[str, ...] = ()
    outcome: Outcome = Outcome.UNFINISHED
    reason: str = ""
    """Why it does not hold: what was seen instead."""
    explanation: str = ""
    """Why the kernel has to behave so, and which suspected fault this is."""
    done: list[str] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    gates: list[str] = field(default_factory=list)
    attempts: int = 0
    duration_ns: int = 0
    missing: str = ""
    """The capability for want of which it is not testable, by the name of its probe; empty for other reasons."""
    series: bool = False
    """Whether it is about the series itself: whether it uses AMDGPU_VM_EXPLICIT_SYNC."""
    asked: bool = True
    """Whether the run wanted it at all; what an option leaves out is nobody's surprise."""
    left_out: str = ""
    """The option that takes it in, where the run leaves it out."""
    expected: str = ""
    """Why an outcome that is not good was to be expected here, where expectations are gone by."""
    unexpected: str = ""
    """Why the outcome fails the run although it is good in itself, or bad in another way than expected."""
    section: str = ""
    """The section of the table of rows; empty where nobody has said."""
    started: str = ""
    """When, ISO 8601 in UTC."""
    suspect: bool = False
    """Whether a run ended while it was running, and nobody had ended it."""
    incidents: list[Mapping[str, Any]] = field(default_factory=list)
    """Resets and hangs while it ran: ``what``, ``culprit`` (ours, others, unknown), ``whose``, ``evidence``."""
    log_events: list[Mapping[str, Any]] = field(default_factory=list)
    """What the kernel's log said meanwhile about the GPU: ``kind``, ``text``, ``pid``, ``address``, ``ours``."""
    log: list[str] = field(default_factory=list)
    """The records themselves, as far as they are about GPUs or warnings."""

    @property
    def passes(self) -> bool:
        """Whether a run with this case may still end well."""
        return not self.unexpected and (self.outcome.is_good or bool(self.expected))

    @property
    def is_shown(self) -> bool:
        """Whether the kernel was seen to behave so, or not so."""
        return self.outcome in (Outcome.HOLDS, Outcome.BROKEN)

    @property
    def parameters(self) -> str:
        """What tells the cases of one test apart, e.g. ``CLEAR``; empty for a test with one case."""
        return self.test.rpartition("::")[2].partition("[")[2].removesuffix("]")

    @property
    def test_name(self) -> str:
        """The test's name without its file, as pytest's ``-k`` takes it."""
        return self.test.rpartition("::")[2].partition("[")[0]

    @property
    def test_id(self) -> str:
        """The test's file and name with its parameters: what ``--test`` takes."""
        path, bracket, parameters = self.test.partition("[")
        return path.rpartition("/")[2] + bracket + parameters

    @property
    def seen(self) -> str:
        """The evidence in words."""
        return "; ".join(evidence.text for evidence in self.evidence)

    def to_json(self) -> dict[str, Any]:
        """The form it has in a result file."""
        return {
            "row": self.row,
            "section": self.section,
            "behaviour": self.behaviour,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "explanation": self.explanation,
            "done": self.done,
            "evidence": [evidence.to_json() for evidence in self.evidence],
            "gates": self.gates,
            "controls": list(self.controls),
            "attempts": self.attempts,
            "duration_ns": self.duration_ns,
            "missing": self.missing,
            "series": self.series,
            "asked": self.asked,
            "left_out": self.left_out,
            "expected": self.expected,
            "unexpected": self.unexpected,
            "test": self.test,
            "started": self.started,
            "suspect": self.suspect,
            "incidents": [dict(incident) for incident in self.incidents],
            "log_events": [dict(event) for event in self.log_events],
            "log": self.log,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str = "the case") -> Case:
        """The case that `to_json` spelled, also of format version 1. Raises `DecodeError`."""
        case: Case = decode(cls, value, where, JSON)
        return case


def row_order(row: str) -> tuple[str, int, int, str]:
    """Sorts rows as the table of behaviours does, a control (suffix c) before what it controls."""
    match = re.fullmatch(r"([A-Z]+)(\d+)(\w*)", row)
    if match is None:
        return row, 0, 0, ""
    letter, number, suffix = match.groups()
    return letter, int(number), {"c": 0, "": 1}.get(suffix, 2), suffix


def apply_controls(cases: Iterable[Case]) -> None:
    """Make cases inconclusive that hold although a control of theirs does not.

    A kernel that never waits passes every "must not wait" test; only together with the opposite, seen in the same
    process, is such a result worth anything (KERNEL.md E11). Of a control with several cases those count that the
    machine can show, and at least one must: where there is no graphics ring, the compute rings are control enough.
    """
    cases = list(cases)
    by_row: dict[str, list[Case]] = {}
    for case in cases:
        by_row.setdefault(case.row, []).append(case)
    for case in cases:
        if case.outcome is not Outcome.HOLDS:
            continue
        for row in case.controls:
            controls = by_row.get(row, [])
            shown = [control for control in controls if control.outcome is not Outcome.NOT_TESTABLE] or controls
            failed = [control for control in shown if control.outcome is not Outcome.HOLDS]
            if not controls:
                case.outcome = Outcome.INCONCLUSIVE
                case.reason = f"its control {row} was not run in the same process"
            elif failed:
                case.outcome = Outcome.INCONCLUSIVE
                case.reason = f"its control {row} is {failed[0].outcome.value}: {failed[0].behaviour}"


def verdict_of(cases: Iterable[Case]) -> Verdict:
    """What the cases say together: the one place that decides on the exit status.

    A known finding that was seen again is as much of a proof as a behaviour that holds. Where cases about the series
    were run, one of them at least has to be shown for anything to be said about it.
    """
    cases = list(cases)
    failed = [case for case in cases if not case.passes]
    if any(case.outcome in (Outcome.BROKEN, Outcome.FLAKY) or case.unexpected for case in failed):
        return Verdict.BROKEN
    if failed:
        return Verdict.INCOMPLETE
    about_it = [case for case in cases if case.series] or cases
    return Verdict.PROVEN if any(case.is_shown for case in about_it) else Verdict.NOTHING
