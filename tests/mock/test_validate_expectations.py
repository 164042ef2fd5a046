# SPDX-License-Identifier: MIT
"""``amdgpu-hw validate`` with expectations: what it ends with, and what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import plain_environment

ROOT = Path(__file__).parents[2]


def validate(directory: Path, *options: str, kernel: str = "series-v1") -> tuple[int, str]:
    """Validate two rows, of which series-v1 breaks one; the exit status and all that was printed, in one line."""
    environment = plain_environment()
    command = [sys.executable, "-m", "amdgpu_hw", "validate", "--mock", "navi31", "--kernel", kernel]
    result = subprocess.run(
        [*command, f"--results={directory / 'r.json'}", "-k", "B31 or B01", *options],
        cwd=ROOT,
        env=environment | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in result.stdout + result.stderr
    return result.returncode, " ".join((result.stdout + result.stderr).replace("│", " ").split())


def test_the_repositorys_expectations_know_the_findings_of_the_series(tmp_path: Path) -> None:
    """The run ends well, and still says what is broken and why that was to be expected."""
    status, output = validate(tmp_path, "--expectations")
    assert status == 0, output
    assert re.search(r"expected (\d+) B31: F4: patch 1 .* \1 broken \(\1 expected\)", output)
    assert "Everything is as expected." in output


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("B31,Crash", "{file}:2 expects Crash"),
        ("B31,Fail\nB01,Fail", "{file}:3 expects Fail"),
        ("B31,Fail\nneeds explicit_sync,Fail", "{file}:3: expects skips for want of explicit_sync, which is there"),
    ],
)
def test_expectations_that_are_not_met_fail_the_run(tmp_path: Path, entry: str, says: str) -> None:
    """Other findings than expected, an unexpected pass, and entries that mean nothing, with file and line."""
    file = tmp_path / "series-v1-any-fails.txt"
    file.write_text(f"# because\n{entry}\n")
    status, output = validate(tmp_path, f"--expectations={tmp_path}")
    assert status == 1, output
    assert "Not everything is as expected." in output
    results = json.loads((tmp_path / "r.json").read_text())
    found = [*results["expectation_faults"], *filter(None, (case["unexpected"] for case in results["cases"]))]
    assert len(set(found)) == 1
    assert found[0].startswith(says.format(file=file))


def test_a_bad_file_is_one_clear_sentence(tmp_path: Path) -> None:
    """Before anything has run."""
    (tmp_path / "series-v1-any-fails.txt").write_text("B31,Fail\n")
    status, output = validate(tmp_path, f"--expectations={tmp_path}")
    assert status == 2
    assert "series-v1-any-fails.txt:1: 'B31' has no reason: put a comment with one above it" in output


def test_drafts_are_written_for_a_person_to_finish(tmp_path: Path) -> None:
    """The run itself ends as without them."""
    status, output = validate(tmp_path, f"--write-expectations={tmp_path / 'new'}")
    assert status == 1, output
    text = (tmp_path / "new" / "series-v1-navi31-fails.txt").read_text()
    assert "#? broken: CS of job 1 of compute0 did not wait for the input fence" in text
    assert text.endswith(",Fail\n")
