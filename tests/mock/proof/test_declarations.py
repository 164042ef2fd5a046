# SPDX-License-Identifier: MIT
"""Tests that are not declared rightly: one usage error each, with file and line, before anything has run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.proof.declarations import probe_names
from amdgpu_hw.proof.rows import load_rows
from tests import plain_environment
from tests.mock.proof.test_plugin import CONFTEST, ROWS

HEAD = """import pytest
from amdgpu_hw.proof.behaviour import behaviour

"""


def collect(directory: Path, tests: str, *options: str, rows: str = ROWS) -> subprocess.CompletedProcess[str]:
    """Collect tests of a suite of their own, on this machine, without running any."""
    for name, text in (("conftest.py", CONFTEST), ("rows.toml", rows), ("test_x.py", tests)):
        (directory / name).write_text(text)
    environment = plain_environment()
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("test", "fault"),
    [
        (
            '@behaviour("X1", "holds")\ndef test_a(gpu): ...',
            "there is no row 'X1' in {rows}: did you mean X10?",
        ),
        ('@behaviour("Q7", "holds")\ndef test_a(gpu): ...', "there is no row 'Q7' in {rows}"),
        (
            '@behaviour("X01", "holds", control="X2")\ndef test_a(gpu): ...',
            "the control 'X2' of X01 is no row in {rows}: did you mean X02?",
        ),
        (
            '@behaviour("X01", "holds", control="X01")\ndef test_a(gpu): ...',
            "X01 is its own control: a control shows the opposite",
        ),
        (
            '@behaviour("X01", "holds", needs="explicit")\ndef test_a(gpu): ...',
            "X01 needs 'explicit', for which there is no probe; there are: explicit_sync, page_table_jobs, "
            "update_fence, input_fence, prt, timeline_syncobj, second_address_space",
        ),
        ('@behaviour("X01", " ")\ndef test_a(gpu): ...', "X01 does not say in words what it proves"),
        (
            "@pytest.mark.usefixtures()\ndef test_a(shut_gate): ...",
            "test_a uses shut_gate, gpu, _run, record without @behaviour: say which row it proves, and in words what",
        ),
        (
            "@pytest.mark.behaviour('X01')\ndef test_a(): ...",
            "test_a has a marker 'behaviour' of its own making: use @behaviour of amdgpu_hw.proof.behaviour",
        ),
        (
            '@behaviour("X01", "holds")\n@behaviour("X02", "holds")\ndef test_a(): ...',
            "test_a has more than one @behaviour: a test proves one",
        ),
    ],
)
def test_a_wrong_declaration_is_one_usage_error(tmp_path: Path, test: str, fault: str) -> None:
    """It names file, line and what there is instead; there is no traceback, and nothing else is said."""
    result = collect(tmp_path, HEAD + test)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR, result.stdout + result.stderr
    errors = [line for line in result.stderr.splitlines() if line]
    assert errors == [f"ERROR: test_x.py:4: {fault.format(rows=tmp_path / 'rows.toml')}"]
    assert "Traceback" not in result.stdout + result.stderr


def test_all_wrong_declarations_are_told_at_once(tmp_path: Path) -> None:
    """A line each, also where one test has several cases or several faults."""
    tests = HEAD + (
        '@pytest.mark.parametrize("case", [1, 2])\n'
        '@behaviour("X77", "holds", needs="luck")\n'
        "def test_a(case): ...\n\n"
        "def test_b(must): ...\n"
    )
    result = collect(tmp_path, tests)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert [line.split(": ", 2)[1] for line in result.stderr.splitlines() if line] == [
        "test_x.py:4",
        "test_x.py:4",
        "test_x.py:8",
    ]


def test_a_wrong_declaration_is_told_whatever_is_chosen(tmp_path: Path) -> None:
    """-k chooses what runs, not what may be wrong."""
    tests = HEAD + '@behaviour("X01", "holds")\ndef test_a(): ...\n\n@behaviour("X77", "holds")\ndef test_b(): ...\n'
    assert collect(tmp_path, tests, "-k", "test_a").returncode == pytest.ExitCode.USAGE_ERROR


def test_right_declarations_and_other_tests_are_left_alone(tmp_path: Path) -> None:
    """Fixtures of somebody else that have the same names as ours are theirs."""
    tests = HEAD + (
        "@pytest.fixture\ndef gpu(): return 1\n\n"
        "def test_of_something_else(gpu): ...\n\n"
        '@behaviour("X01", "holds", control="X02", needs=("prt", "update_fence"))\ndef test_a(must): ...\n'
    )
    result = collect(tmp_path, tests)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 tests collected" in result.stdout


def test_a_fixture_asked_for_at_run_time_without_behaviour_is_one_sentence(tmp_path: Path) -> None:
    """What collection cannot see fails the test, not with a KeyError."""
    tests = HEAD + 'def test_a(request):\n    request.getfixturevalue("record")\n'
    for name, text in (("conftest.py", CONFTEST), ("rows.toml", ROWS), ("test_x.py", tests)):
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert "test_x.py::test_a asks for fixtures of the suite without @behaviour" in result.stdout
    assert "KeyError" not in result.stdout


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("[X", "rows.toml is no TOML: "),
        ('[X]\nrows = ["X01"]', "rows.toml: the table X must have 'what' it is about and its 'rows', and no more"),
        (
            '[X]\nwhat = "w"\nrows = ["row"]',
            "rows.toml: 'row' in the table X is no name of a row: a letter, a number, ",
        ),
        ('[X]\nwhat = "w"\nrows = ["X01", "X01"]', "rows.toml: there is a second row X01"),
    ],
)
def test_a_bad_table_of_rows_is_one_usage_error(tmp_path: Path, rows: str, says: str) -> None:
    """With the file's name."""
    result = collect(tmp_path, HEAD, rows=rows)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR, result.stdout + result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_a_suite_without_a_table_of_rows_is_refused(tmp_path: Path) -> None:
    """There is no suite whose rows nobody knows."""
    with pytest.raises(HarnessError, match="a suite needs a table of its rows"):
        load_rows(tmp_path / "rows.toml")


def test_a_test_of_behaviour_outside_any_suite_is_refused(tmp_path: Path) -> None:
    """Beside a suite, its fixtures are there, but not its rows."""
    (tmp_path / "suite").mkdir()
    for name, text in (("conftest.py", CONFTEST), ("rows.toml", ROWS), ("test_y.py", HEAD)):
        (tmp_path / "suite" / name).write_text(text)
    (tmp_path / "test_x.py").write_text(HEAD + '@behaviour("X01", "holds")\ndef test_a(): ...\n')
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "suite", "test_x.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR, result.stdout + result.stderr
    assert "test_x.py:4: test_a is in no suite: a conftest.py above it has to call" in result.stderr


def test_the_probes_are_what_can_be_needed() -> None:
    """All yes-or-no answers of `Capabilities`, and nothing else of it."""
    assert "explicit_sync" in probe_names()
    assert "rings" not in probe_names()
