# SPDX-License-Identifier: MIT
"""What the suite says of one driver, on a guest machine of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from validation import run_validate

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.model import Outcome
from amdgpu_hw.verdict.results import Results, read_results

__all__ = ("DriverVerdict", "Noticed", "judge", "judge_driver")


class Noticed(Enum):
    """How a mutant was noticed."""

    CAUGHT = "caught"
    """A row calls it broken."""
    CRASHED = "crashed"
    """The guest's kernel did not survive a row, or the driver did not load."""
    SURVIVED = "SURVIVED"


@dataclass(frozen=True, slots=True)
class DriverVerdict:
    """What one run, or two, said of a driver."""

    catch: Noticed
    rows: tuple[str, ...]
    """The rows that are broken and are not so on the driver as it is; with `Noticed.CRASHED` the one that ran."""
    message: str
    """What the first of them says."""
    cases: int
    """How many cases ended."""


def judge_driver(
    linux: str, gpu: str, results: Path, *, module: Path | None, rows: Sequence[str] = ()
) -> Results | None:
    """Have a guest's verdict on a driver; None if it did not get as far as a result.

    ``module`` is the amdgpu.ko, None the kernel's own; ``rows`` are those to be run, none for all that there are.
    What the run printed is kept beside ``results``.
    """
    results.unlink(missing_ok=True)
    options = [f"--guest={linux}", f"--gpu={gpu}", "--allow-faults", *([f"--module={module}"] if module else [])]
    options += ["-k", " or ".join(rows)] if rows else []
    run_validate(results, *options)
    try:
        return read_results(results)
    except HarnessError:
        return None


def judge(results: Results | None, known: frozenset[str]) -> DriverVerdict:
    """What a run says of a mutant; ``known`` are the tests that are broken on the driver as it is."""
    if results is None:
        return DriverVerdict(Noticed.CRASHED, (), "there is no result: the guest or its driver did not come up", 0)
    broken = [case for case in results.cases if case.outcome is Outcome.BROKEN and case.test not in known]
    ended = sum(case.outcome is not Outcome.UNFINISHED for case in results.cases)
    if broken:
        return DriverVerdict(Noticed.CAUGHT, tuple(dict.fromkeys(case.row for case in broken)), broken[0].reason, ended)
    running = [case for case in results.cases if case.outcome is Outcome.UNFINISHED]
    if running or results.finished is None:
        rows = tuple(case.row for case in running[-1:])
        return DriverVerdict(Noticed.CRASHED, rows, results.interrupted or "the run did not end", ended)
    return DriverVerdict(Noticed.SURVIVED, (), "", ended)
