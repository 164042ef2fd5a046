# SPDX-License-Identifier: MIT
"""Programs find out that one of two machines is wrong, and keep the smallest that shows it; here both are mock ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from agreement.comparing import program_findings
from agreement.comparison import Amounts, Comparing, MachineComparison
from agreement.drawing import draw
from agreement.findings import Area, Differences, KnownDifference
from agreement.golden import read_golden
from agreement.machines import PYTHONPATH, MockSide

from amdgpu_hw.mock.machine import Machine

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
