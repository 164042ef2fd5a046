# SPDX-License-Identifier: MIT
"""What the runs say together: which rows caught which bug, and which kernels were found wrong though they are right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from amdgpu_hw.mock.planting import PlantedBug
from amdgpu_hw.verdict.model import row_order
from matrix.plan import BROKEN, HOLDS, NOT_TESTABLE, CaseResult, MatrixRun, Plan, RunResult

__all__ = ("BugVerdict", "Catch", "Matrix", "judge")


class Catch(Enum):
    """How a bug fared."""

    CAUGHT = "caught"
    """A row that names what it breaks is broken."""
    WRONG_ROW = "wrong row"
    """Rows are broken, but none that names it."""
    MISSED = "missed"
    """No row is broken that holds without it."""
    SILENCED = "not testable"
    """As missed, and rows that hold without it cannot be tested with it: the verdict says so and ends with 0."""
    CRASHED = "crashed"
    """The suite or the mock kernel failed in another way, and no row that names it is broken."""
    EQUIVALENT = "equivalent"
    """No program can tell, as the bug says itself, and none did."""
    TOLD_APART = "told apart"
    """A row is broken, though the bug says that no program can tell."""

    @property
    def is_good(self) -> bool:
        """Whether it fared as it must."""
        return self in (Catch.CAUGHT, Catch.EQUIVALENT)


@dataclass(frozen=True, slots=True)
class BugVerdict:
    """One bug: the rows it broke, of them the ones that name it, and the first reason of one of these."""

    bug: PlantedBug
    catch: Catch
    rows: tuple[str, ...]
    named: tuple[str, ...]
    reason: str
    trouble: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The form it has in the result file."""
        return {
            "name": self.bug.name,
            "description": self.bug.description,
            "kernel": self.bug.bug.kernel,
            "gpu": self.bug.bug.gpu,
            "caught_by": self.bug.bug.caught_by,
            "equivalent": self.bug.bug.equivalent,
            "verdict": self.catch.value,
            "rows": self.rows,
            "named_rows": self.named,
            "reason": self.reason,
            "trouble": self.trouble,
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True, slots=True)
class Matrix:
    """Everything the runs say.

    ``false_alarms``: what does not hold on kernels that are right, run by run. ``others``: whether rows that do not
    name a bug were run with it though it was caught; if not, nothing is known of what they catch.
    """

    bugs: tuple[BugVerdict, ...]
    right: tuple[RunResult, ...]
    false_alarms: Mapping[MatrixRun, tuple[str, ...]]
    rows: tuple[str, ...]
    others: bool
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether every bug is caught and nothing is broken without one."""
        return all(verdict.catch.is_good for verdict in self.bugs) and not self.false_alarms

    @property
    def idle_rows(self) -> list[str]:
        """Rows that caught no bug."""
        return [row for row in self.rows if not any(row in verdict.rows for verdict in self.bugs)]

    @property
    def spare_rows(self) -> list[str]:
        """Rows that no bug needs: whatever they caught, another row that names the bug did as well."""
        needed = {verdict.named[0] for verdict in self.bugs if len(verdict.named) == 1}
        idle = self.idle_rows
        return [row for row in self.rows if row not in needed and row not in idle]

    def count(self, catch: Catch) -> int:
        """How many bugs fared so."""
        return sum(verdict.catch is catch for verdict in self.bugs)

    def to_json(self) -> dict[str, Any]:
        """The content of the result file."""
        return {
            "format": "amdgpu_hw bug matrix",
            "version": 1,
            "good": self.is_good,
            "seconds": round(self.seconds, 1),
            "summary": {catch.value: self.count(catch) for catch in Catch},
            "bugs": [verdict.to_json() for verdict in self.bugs],
            "right_kernels": [
                {
                    **asdict(result.run),
                    "tests": len(result.cases),
                    "seconds": round(result.seconds, 2),
                    "wrong": self.false_alarms.get(result.run, ()),
                }
                for result in self.right
            ],
            "rows_that_caught_nothing": self.idle_rows if self.others else None,
            "rows_no_bug_needs": self.spare_rows if self.others else None,
        }


def judge(plan: Plan, results: Sequence[RunResult], seconds: float) -> Matrix:
    """Put the results of all runs of the plan together."""
    by_run = {result.run: result for result in results}
    right = tuple(result for result in results if not result.run.bug)
    bugs = tuple(_judge_bug(bug, by_run) for bug in plan.bugs if MatrixRun.of(bug) in by_run)
    rows = {case.row for result in right for case in result.cases}
    alarms = {result.run: wrong for result in right if (wrong := _wrong(result))}
    return Matrix(bugs, right, alarms, tuple(sorted(rows, key=row_order)), plan.others, seconds)


def _wrong(result: RunResult) -> tuple[str, ...]:
    """What is wrong with a run that nothing may be wrong with."""
    wrong = [f"{case.row} {case.outcome}: {case.unexpected or case.reason}" for case in result.cases if case.is_wrong]
    if result.oopses:
        wrong.append(f"the mock kernel failed {result.oopses} times")
    if result.trouble:
        wrong.append(result.trouble)
    return tuple(wrong)


def _judge_bug(bug: PlantedBug, by_run: Mapping[MatrixRun, RunResult]) -> BugVerdict:
    run = MatrixRun.of(bug)
    result = by_run[run]
    sound = by_run.get(run.sound)
    broken = list(_newly_broken(result.cases, sound.cases if sound is not None else ()))
    rows = tuple(sorted({case.row for case in broken}, key=row_order))
    named = tuple(row for row in rows if row in bug.bug.caught_by)
    trouble = result.trouble or (f"the mock kernel failed {result.oopses} times" if result.oopses else "")
    silenced = list(_silenced(result.cases, sound.cases if sound is not None else ()))
    told = [case for case in broken if case.row in (named or rows)] or silenced
    reason = f"{told[0].row}: {told[0].reason}" if told else ""
    catch = _catch(bug, rows, named, trouble)
    if catch is Catch.MISSED and silenced:
        catch = Catch.SILENCED
    return BugVerdict(bug, catch, rows, named, reason, trouble, result.seconds)


def _newly_broken(cases: Iterable[CaseResult], sound: Iterable[CaseResult]) -> Iterable[CaseResult]:
    before = {case.test for case in sound if case.outcome == BROKEN}
    return (case for case in cases if case.outcome == BROKEN and case.test not in before)


def _silenced(cases: Iterable[CaseResult], sound: Iterable[CaseResult]) -> Iterable[CaseResult]:
    held = {case.test for case in sound if case.outcome == HOLDS}
    return (case for case in cases if case.outcome == NOT_TESTABLE and case.test in held)


def _catch(bug: PlantedBug, rows: Sequence[str], named: Sequence[str], trouble: str) -> Catch:
    if bug.bug.equivalent:
        return Catch.TOLD_APART if rows or trouble else Catch.EQUIVALENT
    if named:
        return Catch.CAUGHT
    if trouble:
        return Catch.CRASHED
    return Catch.WRONG_ROW if rows else Catch.MISSED
