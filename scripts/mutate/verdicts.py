# SPDX-License-Identifier: MIT
"""How mutants fare: each is run on a machine, with the rows that reach it, until one of them is broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from matrix.plan import EXHAUSTIVE_ROWS, NOT_TESTABLE, CaseResult, MatrixRun, RunResult, Selection
from matrix.slot import Slot

from amdgpu_hw.verdict.model import Outcome
from mutate.mutants import Mutant
from mutate.reach import Reach

__all__ = ("Fate", "Limits", "MutantVerdict", "Trial")

_WATCH_MS = 15
"""As the matrix: for how long a thing is watched at first that must not happen."""


class Fate(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    """A row is broken."""
    CRASHED = "crashed"
    """The mock kernel failed, or died, or made the GPU unusable for the suite; no row is broken."""
    HUNG = "hung"
    """The suite did not come to its end, and no row is broken."""
    SILENCED = "silenced"
    """No row is broken, but the kernel seems to have no AMDGPU_VM_EXPLICIT_SYNC: such a run ends with 4."""
    UNTESTABLE = "not testable"
    """No row is broken, but what holds without it cannot be tested with it; such a run may end with 0: not noticed."""
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"
    """It survived, and why no program can tell is written down."""
    TOLD_APART = "told apart"
    """A row is broken, though it is written down that no program can tell."""

    @property
    def is_dead(self) -> bool:
        """Whether the suite noticed."""
        return self in (Fate.KILLED, Fate.CRASHED, Fate.HUNG, Fate.SILENCED)


@dataclass(frozen=True, slots=True)
class MutantVerdict:
    """One mutant: its fate, and the row that killed it with what that saw, or the reason why none can."""

    mutant: Mutant
    machine: MatrixRun
    fate: Fate
    row: str
    reason: str
    rows_that_reach_it: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The form it has in the result file."""
        return {
            "mutant": self.mutant.key,
            "line": self.mutant.line,
            "on": self.machine.kernel_words + " on " + self.machine.gpu,
            "fate": self.fate.value,
            "row": self.row,
            "reason": self.reason,
            "rows_that_reach_it": self.rows_that_reach_it,
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """How long (seconds) a run may take: a first look, and one with all cases."""

    first_s: float
    second_s: float

    @classmethod
    def of(cls, sound: RunResult) -> Limits:
        """From a run of the whole suite on the right kernel; several machines at a time are several times as slow."""
        return cls(20 + 4 * sound.seconds, 30 + 8 * sound.seconds)


@dataclass(slots=True)
class Trial:
    """Runs mutants on one sort of machine. Rows that have killed a neighbour go first."""

    reach: Reach
    limits: Limits
    directory: Path
    reasons: Mapping[str, str]
    _kills: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)

    def judge(self, mutant: Mutant, slot: Slot) -> MutantVerdict:
        """Run one mutant."""
        bug = self.directory / f"mutant_{mutant.start}_{abs(hash(mutant.key))}.py"
        bug.write_text(mutant.as_bug(), encoding="utf-8")
        kills = self._kills.setdefault((mutant.file, mutant.function), Counter())
        rows = sorted(self.reach.rows_of(mutant), key=lambda row: -kills[row])
        result = self.look(slot, str(bug), rows)
        row, reason = _first_broken(result)
        bug.unlink()
        if row:
            kills[row] += 1
        silenced = [case for case in result.cases if case.outcome == NOT_TESTABLE and case.test in self.reach.holding]
        fate = _fate(result, row, silenced, mutant.key in self.reasons)
        if fate is Fate.EQUIVALENT:
            reason = self.reasons[mutant.key]
        elif fate in (Fate.SILENCED, Fate.UNTESTABLE):
            row, reason = silenced[0].row, silenced[0].reason
        return MutantVerdict(mutant, self.reach.machine, fate, row, reason or result.trouble, len(rows), result.seconds)

    def control(self, slot: Slot) -> str:
        """Look at the kernel as it is as if it were a mutant; returns what is wrong, which nothing may be."""
        result = self.look(slot, "", list(self.reach.rows))
        row, reason = _first_broken(result)
        return f"{row}: {reason}" if row else result.trouble

    def look(self, slot: Slot, bug: str, rows: Sequence[str]) -> RunResult:
        """Run these rows with a bug: quickly, and, if that shows nothing, once more with all that there is."""
        run = replace(self.reach.machine, bug=bug)
        first = Selection(
            only=tuple(row for row in rows if row not in EXHAUSTIVE_ROWS),
            then=tuple(rows),
            enough=tuple(rows),
            one_case=True,
            watch_ms=_WATCH_MS,
            seconds=self.limits.first_s,
        )
        result = slot.run(run, first) if first.only else None
        if result is not None and (result.trouble or result.oopses or _first_broken(result)[0]):
            return result
        second = Selection(only=tuple(rows), then=tuple(rows), enough=tuple(rows), seconds=self.limits.second_s)
        again = slot.run(run, second)
        return again if result is None else result.with_second_look(again)


def _first_broken(result: RunResult) -> tuple[str, str]:
    return next(((case.row, case.reason) for case in result.cases if case.outcome == Outcome.BROKEN.value), ("", ""))


def _fate(result: RunResult, row: str, silenced: Sequence[CaseResult], declared: bool) -> Fate:
    if row:
        fate = Fate.KILLED
    elif result.trouble:
        fate = Fate.HUNG if "did not end within" in result.trouble else Fate.CRASHED
    elif result.oopses:
        fate = Fate.CRASHED
    elif any(case.missing == "explicit_sync" for case in silenced):
        fate = Fate.SILENCED
    else:
        fate = Fate.UNTESTABLE if silenced else Fate.SURVIVED
    if declared:
        return Fate.TOLD_APART if fate.is_dead else Fate.EQUIVALENT
    return fate
