# SPDX-License-Identifier: MIT
"""`scripts/flake_hunt.py`: what it takes for a different verdict, and what it keeps of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flake_hunt import ValidationRun, compare

from tests import plain_environment

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(number: int, status: int | None = 0, **outcomes: str) -> ValidationRun:
    """A run with these outcomes by test."""
    cases: dict[str, dict[str, Any]] = {
        test: {"row": "B01", "outcome": outcome.replace("_", " "), "reason": "late\nvery", "attempts": 1}
        for test, outcome in outcomes.items()
    }
    return ValidationRun(number, number % 2 == 0, Path("x"), status, cases)


def test_runs_that_agree_have_no_difference() -> None:
    """Whatever it is that they agree on."""
    assert compare([run(n, 1, a="holds", b="broken", c="not_testable") for n in range(4)]) == []


def test_the_odd_run_is_named_whichever_it_is() -> None:
    """The first as well: what most runs have is what is right."""
    runs = [run(1, 1, a="broken", b="holds"), *(run(n, a="holds", b="holds") for n in (2, 3, 4))]
    (difference,) = compare(runs)
    assert str(difference) == "run-001: B01 a: broken, not holds. late"


def test_a_case_that_is_missing_is_a_difference() -> None:
    """A run that was cut short."""
    runs = [run(1, a="holds", b="holds"), run(2, None, a="holds"), run(3, a="holds", b="holds")]
    assert [str(difference) for difference in compare(runs)] == [
        "run-002-loaded:  b: not in the results, not holds. exit status None"
    ]


def test_another_exit_status_is_a_difference() -> None:
    """Even if every case ended as ever."""
    runs = [run(1, a="holds"), run(2, 2, a="holds"), run(3, a="holds")]
    assert [difference.run.number for difference in compare(runs)] == [2]


def hunt(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    environment = plain_environment()
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "flake_hunt.py"), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_two_runs_of_one_row(tmp_path: Path) -> None:
    """One of them with all cores busy."""
    result = hunt("2", "-k", "B04", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 runs (1 with all cores busy), 1 cases each." in result.stdout
    assert "All runs agree." in result.stdout


@pytest.mark.parametrize("arguments", [["1", "--kernel", "2.4"], ["1", "-k", "nothing_is_called_so"]])
def test_without_any_result_it_says_why(tmp_path: Path, arguments: list[str]) -> None:
    """With what the validation said."""
    result = hunt(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert "flake_hunt: no run came to a result" in result.stderr
    assert "Traceback" not in result.stderr
