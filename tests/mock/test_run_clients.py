# SPDX-License-Identifier: MIT
"""`scripts/run_clients.py` with programs that behave like IGT's and like libdrm's `amdgpu_test`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from clients import igt, results, runner
from clients.expectations import ClientExpectation, ClientExpectations
from clients.results import Ended, Result, Setup, TestCase, TestResult

from amdgpu_hw.mock.console.client import ConsoleError
from tests import plain_environment

SCRIPT = Path(__file__).parents[2] / "scripts" / "run_clients.py"

IGT_PROGRAM = r"""#!/bin/sh
case $1$2 in
--list-subtests) printf '%s\n' passes skips fails hangs crashes absent ;;
*passes)
    # Only on a machine of its own, and through a sudo that does not lead away from it.
    sudo cat /sys/class/drm/card0/device/mem_info_vram_total || exit 98
    echo 'Subtest passes: SUCCESS (0.000s)' ;;
*skips) echo 'Test requirement: has_tmz'; echo 'Subtest skips: SKIP (0.000s)'; exit 77 ;;
*fails) echo '(x:1) CRITICAL: Failed assertion: r == 0'; echo 'Subtest fails: FAIL (0.000s)'; exit 98 ;;
*hangs) sleep 600 & wait ;;
*crashes) kill -SEGV $$ ;;
*absent) exit 0 ;;
esac
"""

CUNIT_PROGRAM = r"""#!/bin/sh
case "$*" in
-l)
    echo 'Suite:  1:  ENABLED: Basic Tests'
    echo ' Test:  1:  ENABLED: Query Info Test'
    echo ' Test:  2: DISABLED: Draw Test'
    echo 'Suite:  2: DISABLED: VCE Tests' ;;
'-s 1 -t 1')
    echo '  Test: Query Info Test ...FAILED'
    echo '    1. basic.c:7  - CU_ASSERT_EQUAL(r,0)'
    echo '             asserts      2      2      1      1      n/a' ;;
esac
"""

EXPECTATIONS = """
[[expected]]
tests = ["amd_bo@skips", "amd_bo@absent", "amdgpu_test@*/Draw Test", "amdgpu_test@VCE Tests"]
gpus = ["navi*"]
result = "skip"
why = "not on this GPU"

[[expected]]
tests = ["amdgpu_test@*"]
result = "fail"
why = "known"
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with the two programs in directories of their own."""
    for name, text in (("igt/tests/amd_bo", IGT_PROGRAM), ("libdrm/amdgpu_test", CUNIT_PROGRAM)):
        path = tmp_path / "built" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    return tmp_path / "built"


def run_clients(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    environment = plain_environment()
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        env=environment | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_results_are_told_apart_and_compared_with_what_is_expected(programs: Path, tmp_path: Path) -> None:
    """Pass, skip, failure, hang, crash, disabled tests; reasons in the programs' words; a surprise is status 1."""
    expectations, saved = tmp_path / "expectations.toml", tmp_path / "results.json"
    expectations.write_text(EXPECTATIONS)
    result = run_clients(
        programs, "--set=core", "--set=libdrm", "--timeout=2", "--expectations", expectations, "--json", saved
    )
    assert result.returncode == 1, result.stdout + result.stderr
    found = json.loads(saved.read_text())["programs"]
    assert {
        f"{program}@{test['name']}": (test["result"], test["expected"], test["why"])
        for program, run in found.items()
        for test in run["tests"]
    } == {
        "amd_bo@passes": ("pass", "pass", ""),
        "amd_bo@skips": ("skip", "skip", "has_tmz"),
        "amd_bo@fails": ("fail", "pass", "r == 0"),
        "amd_bo@hangs": ("timeout", "pass", "did not end in time and was killed"),
        "amd_bo@crashes": ("crash", "pass", "ended with signal 11"),
        "amd_bo@absent": ("skip", "skip", "the program does not have this subtest on this GPU"),
        "amdgpu_test@Basic Tests/Query Info Test": ("fail", "fail", "basic.c:7  - CU_ASSERT_EQUAL(r,0)"),
        "amdgpu_test@Basic Tests/Draw Test": ("skip", "skip", "the program disables it on this GPU"),
        "amdgpu_test@VCE Tests": ("skip", "skip", "the program disables it on this GPU"),
    }
    assert not any(run["complaints"] for run in found.values())
    assert "FAIL    amd_bo@fails: expected: pass; r == 0" in result.stdout
    assert "FAIL    amdgpu_test@Basic Tests/Query Info Test: known" in result.stdout
    assert "not built: " in result.stdout


def test_everything_as_expected_is_status_0(programs: Path, tmp_path: Path) -> None:
    """Known failures are no failures of a CI run."""
    expectations = tmp_path / "expectations.toml"
    expectations.write_text(EXPECTATIONS)
    result = run_clients(programs, "--set=libdrm", "--expectations", expectations)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set=core"], "none of the programs is in"),
        (["--set=all"], "there is no set 'all'; there are core, "),
        (["--only=glxgears"], "is named glxgears"),
        (["--expectations=/nowhere.toml"], "/nowhere.toml cannot be read: No such file"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """What cannot be run is said in a line, with status 2."""
    result = run_clients(tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("run_clients: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_machine_that_does_not_answer_costs_no_results(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tests came to before stays, and the silence is a complaint beside it."""

    def silent(_machine: object) -> list[str]:
        raise ConsoleError("the mock machine does not answer: timed out")

    monkeypatch.setattr(runner, "_complaints", silent)
    expectations = ClientExpectations([ClientExpectation(["*"], Result.PASS, "")])
    found = runner.Runner(Setup(["navi31"], "base"), expectations, 10.0, tmp_path).run(
        programs / "igt/tests/amd_bo", ["passes", "skips"]
    )
    assert [result.result for result in found.results] == [Result.PASS, Result.SKIP]
    assert found.complaints == ["the mock machine does not answer: timed out"]
    assert "Linux mock kernel 'base'" in found.log


def test_a_machine_that_does_not_start_is_a_complaint(programs: Path, tmp_path: Path) -> None:
    """The programs after it run all the same."""
    found = runner.Runner(Setup(["navi31"], "6.99"), ClientExpectations([]), 10.0, tmp_path).run(
        programs / "igt/tests/amd_bo", ["*"]
    )
    assert not found.results
    assert len(found.complaints) == 1
    assert "there is no kernel called '6.99'" in found.complaints[0]


def test_a_failure_whose_stack_trace_crashes_is_a_failure() -> None:
    """A crash without a failed assertion before it stays one."""
    test = TestCase("amd_bo", "fails")
    said = "(amd_bo:1) CRITICAL: Failed assertion: r == 0\nStack trace:\nReceived signal SIGSEGV.\n"
    assert igt.understand(test, Ended(-11, said)) == TestResult(test, Result.FAIL, "r == 0", output=said)
    assert igt.understand(test, Ended(-11, "Received signal SIGSEGV.\n")).result is Result.CRASH


def test_a_child_that_outlives_its_program_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in a session of its own is not killed with the group, and keeps the pipe open."""
    monkeypatch.setattr(results, "KILL_WAIT_S", 0.5)
    program = "echo here; setsid sleep 8 & sleep 60"
    ended = results.run_process(["sh", "-c", program], dict(os.environ), 0.5, tmp_path)
    assert ended.timed_out
    assert ended.output == "here\n"
