# SPDX-License-Identifier: MIT
"""What the matrix runs: the suite on every kernel that must be found right, and with every bug that must be caught."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from amdgpu_hw.mock.planting import PlantedBug, bug_names, load_bug
from amdgpu_hw.mock.variants import VARIANTS
from amdgpu_hw.verdict.model import Outcome

__all__ = (
    "BROKEN",
    "EXHAUSTIVE_ROWS",
    "HOLDS",
    "NOT_TESTABLE",
    "RIGHT_KERNELS",
    "CaseResult",
    "MatrixRun",
    "Plan",
    "RunResult",
    "Selection",
    "choose_bugs",
    "plan",
    "quick_bugs",
)

_WITH_FINDINGS = ("series-v1", "series-v1-patch-1", "series-v1-7.3")
"""What the suite has found on these is in `expectations`."""

RIGHT_KERNELS = tuple(name for name in reversed(VARIANTS) if name not in _WITH_FINDINGS)
"""On all others nothing may be broken but what `expectations` say of released kernels; the newest first."""

EXHAUSTIVE_ROWS = ("B46", "D01", "P01", "P02", "T16")
"""Random programs, stress and killed processes: half of the suite's work, and too broad to name what a bug breaks."""

BROKEN = Outcome.BROKEN.value
"""The outcome of a case that has caught something."""
HOLDS = Outcome.HOLDS.value
NOT_TESTABLE = Outcome.NOT_TESTABLE.value

_RIGHT_S = 180.0
_WRONG_S = 20.0
_WRONG_WHOLE_S = 90.0
"""How long a run may take; some wrong kernels let the tests wait as long as there are gates."""

_QUICK_BUGS = 6
_WATCH_MS = 15
"""For how long a thing is watched, on a wrong kernel, that must not happen: half of the suite's time is such watching.
What happens in so short a time does in a longer one as well; what does not is looked at again before a bug is missed.
"""


@dataclass(frozen=True, slots=True, order=True)
class MatrixRun:
    """One run of the suite; ``bug`` is the name of the planted one, or empty. ``parameters``: what the bug asks for."""

    gpu: str
    kernel: str
    bug: str = ""
    parameters: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, planted: PlantedBug) -> MatrixRun:
        """The run with this bug."""
        bug = planted.bug
        return cls(bug.gpu, bug.kernel, planted.name, tuple(bug.parameters.items()))

    @property
    def sound(self) -> MatrixRun:
        """The same without the bug."""
        return replace(self, bug="")

    @property
    def kernel_words(self) -> str:
        """The kernel with its parameters."""
        return " ".join((self.kernel, *(f"{name}={value}" for name, value in self.parameters)))

    def __str__(self) -> str:
        return f"{self.bug or self.kernel_words} on {self.gpu}"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What one test came to.

    ``missing``: the capability for want of which it is not testable. ``unexpected``: why it is another outcome than
    expectations say, ``is_expected``: whether they say that it does not hold; where the run goes by any.
    """

    test: str
    row: str
    outcome: str
    reason: str
    missing: str = ""
    is_expected: bool = False
    unexpected: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether a kernel that is right would not show this."""
        return bool(self.unexpected) or not (Outcome(self.outcome).is_good or self.is_expected)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. ``trouble``: why it is no result, e.g. the tests crashed; ``oopses`` of the mock kernel."""

    run: MatrixRun
    cases: tuple[CaseResult, ...]
    oopses: int
    seconds: float
    trouble: str = ""

    def rows(self, outcome: str) -> set[str]:
        """Rows with a case of that outcome."""
        return {case.row for case in self.cases if case.outcome == outcome}

    def with_second_look(self, second: RunResult) -> RunResult:
        """The same with what another run of some of its tests came to."""
        cases = {case.test: case for case in (*self.cases, *second.cases)}
        return RunResult(
            self.run,
            tuple(cases.values()),
            self.oopses + second.oopses,
            self.seconds + second.seconds,
            self.trouble or second.trouble,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of the suite: ``only`` these if there are any, these ``first``, then those of ``then``, ``without`` those.

    ``until_broken``: of each no more cases once one was broken. ``enough``: nothing more once one of these was.
    ``one_case``: of each test in another row than the ``first`` only one. ``watch_ms``: for how long a thing is watched
    that must not happen; None for as long as the suite does by itself. ``seconds``: how long the run may take.
    ``by_expectations``: whether it goes by what is known of the kernel.
    """

    only: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    until_broken: bool = False
    enough: tuple[str, ...] = ()
    one_case: bool = False
    watch_ms: int | None = None
    seconds: float = _RIGHT_S
    by_expectations: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs, those without a bug first, and the ``slow`` ones, which wait for most of their time.

    ``rows`` are the only ones to run, if not all. With a bug planted the rows that name it are run as always; once one
    of them is broken, that is enough. If none is, and with ``others`` in any case, of the other rows one case of each
    test is run, without `EXHAUSTIVE_ROWS`; with ``everything`` all of them. Without a bug all cases of all tests are,
    of exhaustive rows those that a bug needs, and with ``others`` all; where one asks for module parameters, one case
    of each. On a machine that is busy with other things every run may take ``patience`` times as long.
    """

    bugs: tuple[PlantedBug, ...]
    runs: tuple[MatrixRun, ...]
    slow: tuple[MatrixRun, ...] = ()
    rows: tuple[str, ...] = ()
    others: bool = False
    everything: bool = False
    patience: float = 1

    @property
    def all_runs(self) -> tuple[MatrixRun, ...]:
        """The slow ones as well."""
        return (*self.runs, *self.slow)

    def selection(self, run: MatrixRun) -> Selection:
        """Which rows a run is to run."""
        named = self._named(run)
        without = tuple(row for row in EXHAUSTIVE_ROWS if row not in named)
        if self.everything or (self.others and not run.bug and not run.parameters):
            without = ()
        if not run.bug:
            # With an option no kernel has to show more than what bugs with that option are held against.
            few = bool(run.parameters) and not self.everything
            return Selection(
                self.rows,
                first=named if few else (),
                without=without,
                one_case=few,
                seconds=_RIGHT_S * self.patience,
                by_expectations=True,
            )
        # Where rows are broken without the bug, each case counts: one may be broken by the bug alone.
        first_counts = run.kernel in RIGHT_KERNELS
        return Selection(
            self.rows,
            first=named,
            without=without,
            until_broken=first_counts,
            enough=named if first_counts and not self.others else (),
            one_case=not self.everything,
            watch_ms=_WATCH_MS,
            # What no row can catch runs to its end.
            seconds=self.patience * (_WRONG_S if named and not self.everything else _WRONG_WHOLE_S),
        )

    def second_look(self, result: RunResult) -> Selection | None:
        """Which rows to run once more: those that name a bug, if none of them has caught it."""
        named = self._named(result.run) if result.run.bug else ()
        if not named or result.rows(BROKEN) & set(named):
            return None
        return Selection(only=named, seconds=self.patience * _WRONG_WHOLE_S)

    def _named(self, run: MatrixRun) -> tuple[str, ...]:
        """The rows that name the bug of a run; without one those of all bugs that it is held against."""
        held = (bug for bug in self.bugs if (bug.name == run.bug if run.bug else MatrixRun.of(bug).sound == run))
        return tuple(dict.fromkeys(row for bug in held for row in bug.bug.caught_by))


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


def plan(
    bugs: Sequence[PlantedBug],
    right: Iterable[MatrixRun],
    *,
    quick: bool,
    others: bool = False,
    everything: bool = False,
    patience: float = 1,
) -> Plan:
    """Return ``right``, the runs without a bug, and every bug, with the same kernel without it on the same GPU.

    ``quick`` runs only the rows that are to catch these bugs, ``others`` those that do not name a bug as well though it
    is caught, ``everything`` all there is with every bug.
    """
    wrong = [MatrixRun.of(bug) for bug in bugs]
    sound = [*right, *(run.sound for run in wrong)]
    slow = tuple(run for run, bug in zip(wrong, bugs, strict=True) if bug.bug.slow)
    rows = sorted({row for bug in bugs for row in bug.bug.caught_by}) if quick else []
    runs = tuple(run for run in dict.fromkeys((*sound, *wrong)) if run not in slow)
    return Plan(tuple(bugs), runs, slow, tuple(rows), others or everything, everything, patience)
