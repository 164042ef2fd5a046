# SPDX-License-Identifier: MIT
"""Going on with a run: after SIGKILL, after Ctrl-C, with the same machine only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.verdict.results import load_content, read_results
from tests import plain_environment
from tests.mock.proof.test_plugin import CONFTEST, ROWS

TESTS = """
import os, time
from pathlib import Path
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.record import Broken

def ran(name):
    with Path("ran").open("a") as file:
        file.write(f"{name}\\n")

@behaviour("X01", "is a control")
def test_control(gpu, must):
    ran("control")
    must.note("ran")

@behaviour("X02", "is over before the run ends")
def test_over(gpu, must):
    ran("over")
    must.note("ran")

@behaviour("X03", "takes the run with it")
def test_fatal(gpu, must):
    ran("fatal")
    if os.environ.get("WAIT"):
        time.sleep(60)
    must.note("ran")

@behaviour("X04", "comes after it", control="X01")
def test_after(gpu, must):
    ran("after")
    must.note("ran")
    if os.environ.get("FAIL_ONCE") and Path("ran").read_text().split().count("after") == 1:
        raise Broken("it was late")
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A suite of four rows."""
    for name, text in (("conftest.py", CONFTEST), ("rows.toml", ROWS), ("test_x.py", TESTS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def command(*options: str, kernel: str = "series-fixed") -> list[str]:
    """Run the suite on a mock machine."""
    machine = ["--amdgpu-mock=navi31", f"--amdgpu-kernel={kernel}"]
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *machine, *options, "test_x.py"]


def environment(**more: str) -> dict[str, str]:
    """Without what the outer pytest has set."""
    return plain_environment() | more


def cut_short(directory: Path, number: signal.Signals) -> None:
    """Begin a run, and send the process that runs its tests a signal in the third."""
    with subprocess.Popen(
        command("--amdgpu-results=r.json"),
        cwd=directory,
        env=environment(WAIT="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as outer:
        end = time.monotonic() + 120
        while "fatal" not in (directory / "ran").read_text() if (directory / "ran").exists() else True:
            assert time.monotonic() < end, "the run did not come to its third test"
            time.sleep(0.05)
        os.kill(inner_process(directory), number)
        outer.wait(120)


def inner_process(directory: Path) -> int:
    """The process with pytest in it that runs on the mock machine."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            here = os.readlink(path / "cwd") == str(directory)
            inside = b"AMDGPU_HW_MOCK_MACHINE=" in (path / "environ").read_bytes()
            tests = b"test_x.py" in (path / "cmdline").read_bytes()
        except OSError:
            continue
        if here and inside and tests:
            return int(path.name)
    raise AssertionError("nothing runs on a mock machine")


def go_on(
    directory: Path, *options: str, kernel: str = "series-fixed", **changes: str
) -> subprocess.CompletedProcess[str]:
    """Resume the run."""
    (directory / "ran").write_text("")
    return subprocess.run(
        command("--amdgpu-resume=r.json", *options, kernel=kernel),
        cwd=directory,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def cases(directory: Path) -> dict[str, Any]:
    """The cases by row."""
    return {case["row"]: case for case in load_content(directory / "r.json")["cases"]}


def test_a_killed_run_goes_on_behind_its_suspect(directory: Path) -> None:
    """What was known stays, what was running is not run again, and the control of what is left is."""
    cut_short(directory, signal.SIGKILL)
    suspect = read_results(directory / "r.json").suspect
    assert suspect is not None
    assert suspect.row == "X03"
    result = go_on(directory)
    assert (directory / "ran").read_text().split() == ["control", "after"], result.stdout
    found = cases(directory)
    assert {row: case["outcome"] for row, case in found.items()} == {
        "X01": "holds",
        "X02": "holds",
        "X03": "did not finish",
        "X04": "holds",
    }
    assert found["X03"]["suspect"] is True
    assert found["X03"]["reason"].startswith("suspect: the run ended while this was running")
    assert result.returncode == 1  # a run with a suspect in it has not held


def test_a_resumed_run_runs_again_what_fails_and_never_the_suspect(directory: Path) -> None:
    """With --rerun: what holds then is flaky, what was known before stays."""
    cut_short(directory, signal.SIGKILL)
    result = go_on(directory, "--amdgpu-rerun=2", FAIL_ONCE="1")
    assert (directory / "ran").read_text().split() == ["control", "after", "after"], result.stdout
    found = cases(directory)
    assert {row: case["outcome"] for row, case in found.items()} == {
        "X01": "holds",
        "X02": "holds",
        "X03": "did not finish",
        "X04": "flaky",
    }
    assert found["X03"]["suspect"] is True
    assert "it was late" in found["X04"]["reason"]


def test_a_run_that_the_user_ended_has_no_suspect(directory: Path) -> None:
    """The test that was cut short is run again."""
    cut_short(directory, signal.SIGINT)
    result = go_on(directory)
    assert (directory / "ran").read_text().split() == ["fatal", "control", "after"], result.stdout
    assert {case["outcome"] for case in cases(directory).values()} == {"holds"}
    assert result.returncode == 0


def test_a_run_that_died_after_its_last_test_is_judged(directory: Path) -> None:
    """No test runs again; the controls' judgement, which the run did not come to, and the end are in the file."""
    subprocess.run(command("--amdgpu-results=r.json"), cwd=directory, env=environment(), timeout=150, check=True)
    file = directory / "r.json"
    known = json.loads(file.read_text())
    known["finished"] = None
    known["cases"][0] |= {"outcome": "broken", "reason": "the control was otherwise"}
    file.write_text(json.dumps(known))
    result = go_on(directory)
    assert (directory / "ran").read_text() == "", result.stdout
    assert {row: case["outcome"] for row, case in cases(directory).items()} == {
        "X01": "broken",
        "X02": "holds",
        "X03": "holds",
        "X04": "inconclusive",
    }
    assert load_content(file)["finished"]
    assert result.returncode == pytest.ExitCode.TESTS_FAILED


def test_a_run_that_is_complete_says_its_verdict_again(directory: Path) -> None:
    """Nothing runs; so a loop of boots and --resume ends with the verdict."""
    subprocess.run(command("--amdgpu-results=r.json"), cwd=directory, env=environment(), timeout=150, check=True)
    result = go_on(directory)
    assert (directory / "ran").read_text() == "", result.stdout
    assert result.returncode == pytest.ExitCode.OK, result.stdout + result.stderr
    assert "4 hold" in result.stdout


def test_a_resumed_run_of_no_test_is_refused(directory: Path) -> None:
    """A choice of tests that fits none is a mistake, not a complete run."""
    subprocess.run(command("--amdgpu-results=r.json"), cwd=directory, env=environment(), timeout=150, check=True)
    assert go_on(directory, "-k", "X09").returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_another_kernel_is_refused(directory: Path) -> None:
    """Half a verdict on each of two kernels is none."""
    subprocess.run(
        command("--amdgpu-results=r.json", "-k", "control"), cwd=directory, env=environment(), timeout=150, check=True
    )
    before = (directory / "r.json").read_text()
    result = go_on(directory, kernel="base")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "cannot be gone on with here: kernel release mock-base instead of mock-series-fixed" in result.stderr
    assert (directory / "r.json").read_text() == before
    assert (directory / "ran").read_text() == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read: No such file"),
        ("", "is not a result file"),
        ("[1, 2]", "is not a result file"),
        ('{"format": "amdgpu_hw verdict", "version": 99}', "is of version 99"),
        ('{"format": "amdgpu_hw verdict", "version": 2}', "started is missing"),
        ('{"format": "amdgpu_hw verdict", "version": 2, "started": "soon"}', "Invalid isoformat string"),
        ('{"format": "amdgpu_hw verdict", "version": 2, "started": "2026-11-29", "cases": 3}', "machine is missing"),
    ],
)
def test_what_is_no_run_is_refused(directory: Path, text: str | None, why: str) -> None:
    """Before a machine is asked for anything."""
    if text is not None:
        (directory / "r.json").write_text(text)
    result = go_on(directory)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert why in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_of_an_older_version_is_refused(directory: Path) -> None:
    """It does not say of which kernel it is."""
    subprocess.run(
        command("--amdgpu-results=r.json", "-k", "control"), cwd=directory, env=environment(), timeout=150, check=True
    )
    content = json.loads((directory / "r.json").read_text())
    del content["fingerprint"], content["incidents"], content["resumed"], content["kernel_log"]
    (directory / "r.json").write_text(json.dumps(content | {"version": 1}))
    assert len(read_results(directory / "r.json").cases) == 1
    assert "was written by an older amdgpu_hw" in go_on(directory).stderr
