# SPDX-License-Identifier: MIT
"""Going on with a run that ended early: what is known already, what is suspect, and whether it is the same run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.evidence.fingerprint import differences
from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.results import Results, read_results

__all__ = ("Resumed",)


class Resumed:
    """The results in a file. Raises `HarnessError` in one sentence where they cannot be gone on with.

    The case that was running when the run ended without a word is the suspect, and not run again. One that the user
    ended is run again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = read_results(path)
        if not self._before.fingerprint:
            raise HarnessError(f"{path} does not say of which kernel it is: it was written by an older amdgpu_hw")
        suspect = self._before.suspect
        if suspect is not None:
            suspect.suspect = True
            suspect.reason = (
                "suspect: the run ended while this was running, and nobody had ended it (it was killed, or the machine "
                "went down); it is not run again"
            )
        self._kept = [case for case in self._before.cases if not _was_cut_short(case)]

    @property
    def done(self) -> set[str]:
        """The tests whose cases are known."""
        return {case.test for case in self._kept}

    @property
    def suspects(self) -> set[str]:
        """Tests that must not run again, as what they are run for: each has ended a run."""
        return {case.test for case in self._kept if case.suspect}

    def go_on(self, results: Results) -> None:
        """Take the cases over into ``results``, which are of now. Raises `HarnessError` if they are of another run."""
        before = self._before
        found = differences(before.fingerprint, results.fingerprint)
        for name in ("mock_gpus", "mock_kernel", "mock_bugs", "mock_parameters", "guest_gpus"):
            one, other = getattr(before.machine, name), getattr(results.machine, name)
            if one != other:
                found.append(f"{name.replace('_', ' ')} {other} instead of {one}")
        if found:
            raise HarnessError(f"{self._path} is of another run, which cannot be gone on with here: {'; '.join(found)}")
        results.cases = list(self._kept)
        results.started = before.started
        results.incidents = list(before.incidents)
        results.resumed = [*before.resumed, datetime.now(UTC).isoformat()]


def _was_cut_short(case: Case) -> bool:
    """Whether the user, or who ended the process in order, cut it short: `Collector.pytest_keyboard_interrupt`."""
    return case.outcome is Outcome.UNFINISHED and case.reason.startswith(("ended by ", "interrupted"))
