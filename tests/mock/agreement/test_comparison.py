# SPDX-License-Identifier: MIT
"""Programs find out that one of two machines is wrong, and keep the smallest that shows it; here both are mock ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from agreement.comparing import program_findings
from agreement.comparison import Amounts, Comparing, MachineComparison
from agreement.drawing import draw
from agreement.findings import Area, Differences, KnownDifference
from agreement.golden import read_golden
from agreement.machines import PYTHONPATH, MockSide

from amdgpu_hw.mock.machine import Machine
from amdgpu_hw.verdict.model import Outcome
from amdgpu_hw.verdict.results import Results
from tests.mock.report.runs import holds, run

KERNEL, GPU = "series-fixed", "vega10"
AMOUNTS = Amounts(programs=8, seed=3, smaller=1, smaller_s=2)


class WrongSide(MockSide):
    """A mock machine with a bug in its kernel, in the guest's place."""

    name = "guest"

    def __init__(self, bug: str, directory: Path) -> None:
        super().__init__(GPU, KERNEL, directory)
        self.bug = bug

    def _run(self, command: Sequence[str]) -> int:
        with Machine([self.gpu], self.kernel, bugs=[self.bug], without=("sw_sync",)) as machine:
            return machine.run(command, {**os.environ, "PYTHONPATH": PYTHONPATH})


def compare(bug: str, directory: Path, *listed: KnownDifference) -> MachineComparison:
    """Play some programs on both."""
    result = MachineComparison(KERNEL, GPU)
    sides = WrongSide(bug, directory), MockSide(GPU, KERNEL, directory)
    Comparing(result, *sides, AMOUNTS, Differences(listed, KERNEL, GPU), lambda _: None).programs()
    return result


@pytest.mark.parametrize(
    ("bug", "what"),
    [
        ("m42_update_fence_signalled_at_once", "signalled"),
        ("m53_map_over_a_mapping", "errno"),
    ],
)
def test_a_wrong_kernel_is_found_made_small_and_kept(bug: str, what: str, tmp_path: Path) -> None:
    """In which fences have signalled, in errnos; the golden case is what the wrong one did."""
    result = compare(bug, tmp_path)
    (area,) = result.areas
    assert what in {finding.kind for finding in area.unlisted}
    assert not result.agrees
    ((finding, program),) = result.smaller
    drawn = draw(AMOUNTS.programs, AMOUNTS.seed)[int(finding.name.rpartition(" ")[2])]
    assert len(program) < len(drawn), "how small is a matter of time; that it got smaller at all is not"
    assert result.golden is not None
    (case,) = read_golden(result.golden).cases
    assert case.actions == program
    (right,) = MockSide(GPU, KERNEL, tmp_path).programs([program], 100)
    assert finding.what in {each.what for each in program_findings("", case.answer, right)}


def test_what_is_listed_is_no_disagreement(tmp_path: Path) -> None:
    """Nor is it made smaller."""
    result = compare(
        "m53_map_over_a_mapping", tmp_path, KnownDifference(Area.PROGRAMS, "it is the bug that was planted")
    )
    assert result.agrees
    assert result.areas[0].listed
    assert not result.smaller


class SlowSide(MockSide):
    """A machine that is too busy at first: its first suite is inconclusive where the second holds."""

    def __init__(self, directory: Path, later: Outcome) -> None:
        super().__init__(GPU, KERNEL, directory)
        self._later = later
        self.asked: list[tuple[str, ...]] = []

    def rows(self, *options: str) -> Results:
        """What the suite says now."""
        self.asked.append(options)
        outcome = Outcome.INCONCLUSIVE if len(self.asked) == 1 else self._later
        return run(cases=[replace(holds("B06"), outcome=outcome, reason="it was slow"), holds("B09")])


class QuickSide(MockSide):
    """A machine on which both rows hold."""

    def rows(self, *_options: str) -> Results:
        """At once."""
        return run(cases=[holds("B06"), holds("B09")])


@pytest.mark.parametrize("later", [Outcome.HOLDS, Outcome.BROKEN])
def test_rows_that_a_busy_machine_did_not_show_are_run_once_more(tmp_path: Path, later: Outcome) -> None:
    """These alone; what they say then counts."""
    result = MachineComparison(KERNEL, GPU)
    slow, quick = SlowSide(tmp_path, later), QuickSide(GPU, KERNEL, tmp_path)
    amounts = replace(AMOUNTS, rows=("-k", "B06 or B09"))
    Comparing(result, slow, quick, amounts, Differences([], KERNEL, GPU), lambda _: None).rows()
    assert slow.asked == [amounts.rows, (*amounts.rows, f"--test={holds('B06').test}")]
    (area,) = result.areas
    assert [finding.guest for finding in area.unlisted if finding.what == "outcome"] == (
        [] if later is Outcome.HOLDS else ["broken"]
    )
