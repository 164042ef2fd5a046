# SPDX-License-Identifier: MIT
"""What the matrix runs: the suite on every kernel that must be found right, and with every bug that must be caught."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from amdgpu_hw.mock.planting import PlantedBug, bug_names, load_bug

__all__ = (
    "EXHAUSTIVE_ROWS",
    "RIGHT_KERNELS",
    "Case",
    "Plan",
    "Run",
    "RunResult",
    "Selection",
    "choose_bugs",
    "plan",
    "quick_bugs",
)

RIGHT_KERNELS = ("series-fixed", "base", "6.18-stable", "6.18", "6.15", "6.12")
"""On these nothing may be broken."""

EXHAUSTIVE_ROWS = ("B46", "D01", "P01", "P02", "T16")
"""Random programs, stress and killed processes: half of the suite's work, and too broad to name what a bug breaks."""

_QUICK_BUGS = 6


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """One run of the suite; ``bug`` is the name of the planted one, or empty."""

    gpu: str
    kernel: str
    bug: str = ""

    def __str__(self) -> str:
        return f"{self.bug or self.kernel} on {self.gpu}"


@dataclass(frozen=True, slots=True)
class Case:
    """What one test came to."""

    test: str
    row: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. ``trouble``: why it is no result, e.g. the tests crashed; ``oopses`` of the mock kernel."""

    run: Run
    cases: tuple[Case, ...]
    oopses: int
    seconds: float
    trouble: str = ""

    def rows(self, outcome: str) -> set[str]:
        """Rows with a case of that outcome."""
        return {case.row for case in self.cases if case.outcome == outcome}


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of the suite: ``only`` these if there are any, these ``first``, ``without`` those."""

    only: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs, those without a bug first.

    ``rows`` are the only ones to run, if not all; ``not_with_bugs`` are left out where a bug is planted that does
    not name them.
    """

    bugs: tuple[PlantedBug, ...]
    runs: tuple[Run, ...]
    rows: tuple[str, ...] = ()
    not_with_bugs: tuple[str, ...] = ()

    def selection(self, run: Run) -> Selection:
        """Which rows a run is to run."""
        named = next((bug.bug.caught_by for bug in self.bugs if bug.name == run.bug), ())
        without = tuple(row for row in self.not_with_bugs if row not in named) if run.bug else ()
        return Selection(self.rows, named, without)


def choose_bugs(patterns: Sequence[str]) -> list[PlantedBug]:
    """Return the bugs that match any of these shell patterns, or all without one; ValueError if one matches none."""
    names = bug_names()
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise ValueError(f"no planted bug matches '{pattern}': 'amdgpu-hw bugs' lists them")
    chosen = [name for name in names if not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    return [load_bug(name) for name in chosen]


def quick_bugs(bugs: Sequence[PlantedBug]) -> list[PlantedBug]:
    """Return a few of those that must be caught, spread over all."""
    caught = [bug for bug in bugs if not bug.bug.equivalent]
    return caught[:: max(1, len(caught) // _QUICK_BUGS)][:_QUICK_BUGS]


def plan(bugs: Sequence[PlantedBug], right: Iterable[Run], *, quick: bool, everything: bool = False) -> Plan:
    """Return ``right``, the runs without a bug, and every bug, with the same kernel without it on the same GPU.

    ``quick`` runs only the rows that are to catch these bugs, ``everything`` all of them with every bug.
    """
    sound = [*right, *(Run(bug.bug.gpu, bug.bug.kernel) for bug in bugs)]
    wrong = [Run(bug.bug.gpu, bug.bug.kernel, bug.name) for bug in bugs]
    rows = sorted({row for bug in bugs for row in bug.bug.caught_by}) if quick else []
    return Plan(tuple(bugs), (*dict.fromkeys(sound), *wrong), tuple(rows), () if everything else EXHAUSTIVE_ROWS)
