# SPDX-License-Identifier: MIT
"""`scripts/guest_diff.py`: which tests it names, and what it says of files that are no results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from guest_diff import MISSING, differences, read

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.results import ResultFile, Results

SCRIPT = Path(__file__).parents[2] / "scripts" / "guest_diff.py"


def result_file(path: Path, machine: MachineDescription, outcomes: Mapping[str, Outcome]) -> Path:
    """A file as `amdgpu-hw validate` writes it, with a test ``test_ROW`` for each row."""
    cases = [
        Case(f"tests/hw/test_x.py::test_{row}", row, "does", outcome=outcome, reason=f"{row} was late\nby a second")
        for row, outcome in outcomes.items()
    ]
    ResultFile(path).write(Results(machine, ["validate"], {}, cases=cases))
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A guest's results and the mock machine's; T15 and B02 differ, C01 is in one only."""
    guest = MachineDescription(False, (), "", "7.3.4", "x86_64", guest_gpus=("vega10",))
    mock = MachineDescription(True, ("vega10",), "base", "6.18", "x86_64")
    return (
        result_file(
            tmp_path / "guest.json",
            guest,
            {"T15": Outcome.BROKEN, "B01": Outcome.HOLDS, "B02": Outcome.NOT_TESTABLE},
        ),
        result_file(
            tmp_path / "mock.json",
            mock,
            {"B01": Outcome.HOLDS, "B02": Outcome.HOLDS, "C01": Outcome.HOLDS, "T15": Outcome.HOLDS},
        ),
    )


def run(*arguments: Path) -> subprocess.CompletedProcess[str]:
    """The script as a person runs it."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env=os.environ | {"COLUMNS": "140"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_tests_that_ended_otherwise_are_found_in_the_order_of_the_rows(pair: tuple[Path, Path]) -> None:
    """Also one that only one of the files has; those that agree are left out."""
    found = differences(*map(read, pair))
    assert [(each.row, each.outcomes) for each in found] == [
        ("B02", ("not testable", "holds")),
        ("C01", (MISSING, "holds")),
        ("T15", ("broken", "holds")),
    ]
    assert found[2].reasons[0] == "T15 was late"


def test_the_report_names_machines_rows_and_reasons(pair: tuple[Path, Path]) -> None:
    """Which kernel is real, how many tests ended how, and why: exit status 1."""
    result = run(*pair)
    assert result.returncode == 1, result.stderr
    assert "A: modelled vega10, real kernel 7.3.4: " in result.stdout
    assert "B: modelled vega10, mock kernel base: 4 holds" in result.stdout
    assert "A: T15 was late" in result.stdout
    assert "3 tests ended otherwise, of 3 rows: B02, C01, T15." in result.stdout


def test_a_file_agrees_with_itself(pair: tuple[Path, Path]) -> None:
    """Exit status 0."""
    result = run(pair[0], pair[0])
    assert (result.returncode, result.stderr) == (0, "")
    assert "All 3 tests ended the same." in result.stdout


@pytest.mark.parametrize("content", ["", "[]", '{"format": "amdgpu_hw measurement", "version": 1}'])
def test_other_files_are_refused_in_a_sentence(tmp_path: Path, pair: tuple[Path, Path], content: str) -> None:
    """What is no JSON, and what is JSON of something else: exit status 2."""
    other = tmp_path / "other.json"
    other.write_text(content)
    result = run(pair[0], other)
    assert result.returncode == 2
    assert result.stderr.startswith(f"guest_diff: {other} ")
    assert result.stderr.count("\n") == 1


def test_a_file_of_a_later_version_is_not_read(pair: tuple[Path, Path]) -> None:
    """Its meaning is not known here."""
    content = json.loads(pair[0].read_text())
    pair[0].write_text(json.dumps(content | {"version": content["version"] + 1}))
    with pytest.raises(HarnessError, match="of version"):
        read(pair[0])
