# SPDX-License-Identifier: MIT
"""The demonstration: three boxes, two kernels, one matrix, and a box whose plug is pulled in the middle."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from amdgpu_hw.fleet.events import State
from amdgpu_hw.fleet.index import read_index
from amdgpu_hw.fleet.matrix import make_matrix
from amdgpu_hw.verdict.model import Outcome
from tests import plain_environment

ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(900)
def test_a_fleet_on_this_machine_ends_with_one_matrix(tmp_path: Path) -> None:
    """With real validations on mock machines: the posted series is broken on each GPU, the mended one on none."""
    results = tmp_path / "results"
    # Of its own, as other tests leave and take things in the usual one; short, as sockets are made below it.
    with tempfile.TemporaryDirectory(prefix="fleet-") as temporary:
        done = subprocess.run(
            [ROOT / "scripts" / "fleet_here", "--results", results, "-k", "B05 or B06 or B37"],
            env=plain_environment() | {"TMPDIR": temporary},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        left = [path.name for path in Path(temporary).glob("amdgpu-hw-*")]
    assert done.returncode == 0, done.stdout + done.stderr
    assert left == []
    assert "the plug of box1 is pulled" in done.stdout
    index = read_index(results)
    assert [each.state for each in index.orders] == [State.DONE] * 6
    matrix = make_matrix(index, results)
    wrong = {}
    for column in matrix.columns:
        outcome = matrix.outcome("B37", column)
        if outcome is not (Outcome.BROKEN if column.kernel == "posted" else Outcome.HOLDS):
            wrong[str(column)] = outcome
    # What ran when the plug was pulled is not run again: it may be what took the machine down.
    assert list(wrong.values()) in ([], [Outcome.UNFINISHED]), wrong
