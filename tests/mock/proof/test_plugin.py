# SPDX-License-Identifier: MIT
"""The plugin around misbehaving tests: stuck, inconclusive, silent, faulting, wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.exit_status import ExitStatus
from tests import plain_environment

TESTS = """
import time
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.units import ms

tries = []

@behaviour("X01", "sticks behind a gate")
def test_sticks(gpu, shut_gate, must):
    with shut_gate(gpu.compute) as job:
        must.did("waited for what cannot come")
        job.submission.wait(ms(60000))

@behaviour("X02", "proves nothing at first")
def test_inconclusive_once(gpu, shut_gate, must):
    tries.append(1)
    with shut_gate(gpu.compute) as job:
        if len(tries) == 1:
            job.open()
        must.signal(gpu.reserve(4096).map_prt(), while_pending=job)

@behaviour("X03", "never proves anything")
def test_inconclusive_always(gpu, shut_gate, must):
    with shut_gate(gpu.compute) as job:
        job.open()
        must.signal(gpu.reserve(4096).map_prt(), while_pending=job)

@behaviour("X04", "says nothing")
def test_without_evidence(gpu):
    pass

@behaviour("X05", "is wrong itself")
def test_with_a_mistake(gpu, must):
    must.note("so far so good")
    None + 1

@behaviour("X06", "makes the GPU fault")
def test_faults(gpu, must):
    where = gpu.reserve(4096).va
    gpu.sdma.submit(gpu.sdma.packets.write(where, [1])).wait()
    must.note("wrote where nothing is mapped")

@behaviour("X07", "cannot be tested")
def test_not_testable(gpu):
    raise NotTestable("the moon is not full")

@behaviour("X08", "needs nothing special, but the others")
def test_after_all_that(gpu, shut_gate, must):
    with shut_gate(gpu.compute) as job:
        must.signal(gpu.reserve(4096).map_prt(), while_pending=job)

@behaviour("X09", "may fault", faults=True)
def test_opt_in(gpu, must):
    must.note("ran")

@behaviour("X10", "may stall", stalls=True)
def test_opt_in_to_stalls(gpu, must):
    must.note("ran")

def test_of_something_else():
    assert tries
"""

STUCK = """
import time
from amdgpu_hw.proof.behaviour import behaviour

@behaviour("X01", "holds")
def test_first(gpu, must):
    must.note("fine")

@behaviour("X02", "does not come back whatever is opened")
def test_stuck(gpu, shut_gate):
    with shut_gate(gpu.compute), gpu.syncobj() as nobody_signals:
        nobody_signals.wait(60_000_000_000, for_submit=True)

@behaviour("X03", "does not come back, and waits for nothing")
def test_endless(gpu, shut_gate):
    with shut_gate(gpu.compute):
        time.sleep(60)
"""


CONFTEST = """
from pathlib import Path
from amdgpu_hw.proof.suite import load_suite

def pytest_configure(config):
    load_suite(config, Path(__file__).parent)
"""

ROWS = """
[X]
what = "whatever a test here is about"
rows = ["X01", "X02", "X03", "X04", "X05", "X06", "X07", "X08", "X09", "X10"]
"""


def run(directory: Path, tests: str, *options: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run tests on a mock machine; what was printed, and the cases by row."""
    for name, text in (("conftest.py", CONFTEST), ("rows.toml", ROWS), ("test_x.py", tests)):
        (directory / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "--amdgpu-mock", "test_x.py", "-p", "no:cacheprovider", "-rs"]
    environment = plain_environment()
    result = subprocess.run(
        [*command, "--amdgpu-results=r.json", *options],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )
    file = json.loads((directory / "r.json").read_text())
    return result, {case["row"]: case for case in file["cases"]}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The cases of one run over all of them."""
    result, cases = run(tmp_path_factory.mktemp("plugin"), TESTS, "--amdgpu-timeout=1")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "2 passed" not in result.stdout
    return cases


def test_a_stuck_test_is_let_go_and_broken(cases: dict[str, Any]) -> None:
    """With what was shut and where it was."""
    assert cases["X01"]["outcome"] == "broken"
    assert "did not end within 1 s" in cases["X01"]["reason"]
    assert "vgem gate holding a job on compute0" in cases["X01"]["reason"]
    assert "job.submission.wait(ms(60000))" in cases["X01"]["reason"]


def test_an_inconclusive_test_is_tried_once_more(cases: dict[str, Any]) -> None:
    """And only the second try counts."""
    assert (cases["X02"]["outcome"], cases["X02"]["attempts"]) == ("holds", 2)
    assert [one["kind"] for one in cases["X02"]["evidence"]].count("fence") == 1


def test_an_inconclusive_test_is_tried_no_third_time(cases: dict[str, Any]) -> None:
    """It stays inconclusive, with who opened the gate."""
    assert (cases["X03"]["outcome"], cases["X03"]["attempts"]) == ("inconclusive", 2)
    assert "the test opened the vgem gate" in cases["X03"]["reason"]


def test_a_test_without_evidence_proves_nothing(cases: dict[str, Any]) -> None:
    """An empty test must not hold."""
    assert cases["X04"]["outcome"] == "did not finish"
    assert "no evidence" in cases["X04"]["reason"]


def test_a_mistake_of_the_test_is_not_the_kernels(cases: dict[str, Any]) -> None:
    """It did not finish."""
    assert cases["X05"]["outcome"] == "did not finish"
    assert cases["X05"]["reason"].startswith("TypeError")


def test_a_fault_that_nobody_expected_breaks_the_test(cases: dict[str, Any]) -> None:
    """Whatever the test itself says."""
    assert cases["X06"]["outcome"] == "broken"
    assert "afterwards the kernel reported VM fault at" in cases["X06"]["reason"]


def test_not_testable_has_a_reason(cases: dict[str, Any]) -> None:
    """The test's own."""
    assert (cases["X07"]["outcome"], cases["X07"]["reason"]) == ("not testable", "the moon is not full")


def test_what_may_do_harm_runs_on_a_mock_machine(cases: dict[str, Any]) -> None:
    """There is no machine to lose, so nobody has to ask for it."""
    assert cases["X09"]["outcome"] == cases["X10"]["outcome"] == "holds"


def test_what_may_do_harm_is_opt_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment does not allow it, the option does; without both the reason names the option."""
    monkeypatch.setenv("AMDGPU_HW_ALLOW_FAULTS", "0")
    _, cases = run(tmp_path, TESTS, "-k", "opt_in")
    assert {case["outcome"] for case in cases.values()} == {"not testable"}
    assert cases["X09"]["reason"] == "needs --amdgpu-allow-faults: it may make the GPU fault or hang"
    assert cases["X10"]["reason"] == "needs --amdgpu-allow-faults: it may hold up other programs on this GPU"
    _, cases = run(tmp_path, TESTS, "-k", "opt_in", "--amdgpu-allow-faults")
    assert {case["outcome"] for case in cases.values()} == {"holds"}


def test_later_tests_are_not_harmed(cases: dict[str, Any]) -> None:
    """Gates are open and queues empty again."""
    assert cases["X08"]["outcome"] == "holds"


def test_a_test_that_never_comes_back_is_given_up(tmp_path: Path) -> None:
    """The process ends with the verdict so far, and the file has it."""
    result, cases = run(tmp_path, STUCK, "--amdgpu-timeout=0.5")
    assert result.returncode == ExitStatus.BROKEN
    assert cases["X01"]["outcome"] == "holds"
    assert cases["X02"]["outcome"] == "broken"
    assert "nobody_signals.wait" in cases["X02"]["reason"]
    assert "does not come back" in cases["X02"]["reason"]
    assert "1 broken, 1 hold" in result.stderr + result.stdout


def test_a_test_that_waits_for_nothing_says_nothing_about_the_kernel(tmp_path: Path) -> None:
    """It is given up as well, and inconclusive."""
    result, cases = run(tmp_path, STUCK, "--amdgpu-timeout=0.5", "-k", "test_first or test_endless")
    assert result.returncode == ExitStatus.INCOMPLETE
    assert cases["X03"]["outcome"] == "inconclusive"
    assert "nothing waited 1 s for the kernel" in cases["X03"]["reason"]
    assert "time.sleep(60)" in cases["X03"]["reason"]


def test_a_slow_test_is_inconclusive_and_not_tried_again(tmp_path: Path) -> None:
    """It took long and waited for nothing: neither is held against the kernel."""
    slow = STUCK.replace("time.sleep(60)", "time.sleep(2.5)")
    result, cases = run(tmp_path, slow, "--amdgpu-timeout=1", "-k", "test_first or test_endless")
    assert result.returncode == 1, result.stdout  # as pytest says it: a test failed
    assert (cases["X03"]["outcome"], cases["X03"]["attempts"]) == ("inconclusive", 1)
    assert "did not end within 1 s" in cases["X03"]["reason"]


def test_a_mock_machine_asked_for_in_an_ini_file_is_built_once(tmp_path: Path) -> None:
    """The session that runs on it must not ask for the next one."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --amdgpu-mock=mi300x --amdgpu-kernel=base\n")
    result, cases = run(tmp_path, STUCK, "-k", "test_first")
    assert result.returncode == 0, result.stdout + result.stderr
    assert cases["X01"]["outcome"] == "holds"
    assert "simulated navi31 on mock kernel base" in result.stdout


@pytest.mark.parametrize("option", ["kernel=base", "bug=m05_flag_ignored", "parameter=debug_mask=1", "without=vgem"])
def test_what_only_mock_machines_have_needs_one(tmp_path: Path, option: str) -> None:
    """One sentence, which names the option that is missing."""
    command = [sys.executable, "-m", "pytest", f"--amdgpu-{option}"]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR
    name = option.partition("=")[0]
    assert refused.stderr.strip() == f"ERROR: --amdgpu-{name} is for a mock machine: give --amdgpu-mock too"


def test_a_session_moves_onto_a_machine_without_a_device(tmp_path: Path) -> None:
    """Work is held by the next kind of gate."""
    _, cases = run(tmp_path, TESTS, "-k", "after_all_that", "--amdgpu-without=vgem")
    assert cases["X08"]["gates"] == ["sw_sync"]


STUCK_FIXTURE = """
import time
import pytest
from amdgpu_hw.proof.behaviour import behaviour

@pytest.fixture
def stuck():
    time.sleep(60)

@behaviour("X01", "never starts")
def test_never_starts(stuck, must):
    must.note("started")
"""


def test_a_fixture_that_never_comes_back_is_given_up(tmp_path: Path) -> None:
    """Opening and closing a GPU may block too; this one only sleeps."""
    result, cases = run(tmp_path, STUCK_FIXTURE, "--amdgpu-timeout=0.2")
    assert result.returncode == ExitStatus.INCOMPLETE
    assert "the test and its fixtures did not end within" in cases["X01"]["reason"]
    assert "time.sleep(60)" in cases["X01"]["reason"]


def test_how_long_is_watched_is_the_users_to_say(tmp_path: Path) -> None:
    """In milliseconds; what is none is one sentence."""
    result, cases = run(tmp_path, WATCHED, "--amdgpu-watch=2.5")
    assert result.returncode == 0, result.stdout + result.stderr
    assert [evidence["text"] for evidence in cases["X01"]["evidence"]] == ["2500000"]
    command = [sys.executable, "-m", "pytest", "--amdgpu-watch=soon", "test_x.py"]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR
    assert "must be a time in milliseconds from 1e-06 to 600000, not 'soon'" in refused.stderr


WATCHED = """
from amdgpu_hw.proof.behaviour import behaviour

@behaviour("X01", "is told how long")
def test_watched(must):
    must.note(str(must._watch_ns))
"""
