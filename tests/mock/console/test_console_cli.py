# SPDX-License-Identifier: MIT
"""``amdgpu-hw console``: single commands, and a conversation."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from amdgpu_hw.mock.machine import Machine


@pytest.fixture(scope="module")
def board() -> Iterator[Machine]:
    """A machine of its own."""
    with Machine(["navi31"]) as machine:
        yield machine


def console(machine: Machine, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command on the machine, with something typed."""
    return subprocess.run(
        [sys.executable, "-m", "amdgpu_hw", "console", *words],
        env=machine.environ(),
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["status"], "kernel series-fixed-7.3, oopses 0"),
        (["log", "1"], "[drm] Initialized amdgpu 3.65.0 for 0000:03:00.0"),
        (["rings"], "gfx_0.0.0"),
        (["clients"], "no client"),
        (["files"], "no file is open"),
        (["contexts"], "no context"),
        (["bos"], "no buffer"),
        (["mappings", "1"], "nothing is mapped"),
        (["jobs"], "no job is under way"),
        (["updates"], "no page-table update is under way"),
        (["audit"], "nothing is kept for clients: all"),
        (["help"], "page-table updates under way, and what each waits for"),
        (["help", "hang"], "as a shader does, which soft recovery can kill"),
    ],
)
def test_commands_that_look(board: Machine, words: list[str], output: str) -> None:
    """Each prints something sensible on a machine without clients, and exits with 0."""
    result = console(board, *words)
    assert (result.returncode, result.stderr) == (0, "")
    assert output in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dance"], "there is no command 'dance'; 'help' lists them"),
        (["hold"], "hold: the following arguments are required: RING"),
        (["hold", "sdma9"], "GPU 0 has no ring 'sdma9'; it has: gfx_0.0.0"),
        (["delay-fence", "sdma0", "soon"], "delay-fence: argument MS: invalid float value: 'soon'"),
        (["boot", "7.7"], "there is no kernel called '7.7'; there are: 6.1, 6.12"),
        (["reset", "3"], "there is no GPU 3; this machine has 1"),
    ],
)
def test_mistakes_are_one_sentence(board: Machine, words: list[str], message: str) -> None:
    """Exit status 2, and nothing but the sentence."""
    result = console(board, *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"amdgpu-hw: {message}")
    assert result.stderr.count("\n") == 1


def test_a_conversation(board: Machine) -> None:
    """Commands one after the other; a mistake does not end it, comments and empty lines are nothing."""
    typed = """
# faults
enomem --nth 3 --site amdgpu_bo_create
eintr --times 2
lose-fence sdma0
hang gfx_0.0.0 --wave
hold sdma1
nonsense
hold 'unbalanced
status
rings
clear-faults
release sdma1
status
quit
status
"""
    result = console(board, typed=typed)
    assert result.returncode == 0
    assert result.stderr.splitlines() == ["there is no command 'nonsense'; 'help' lists them", "No closing quotation"]
    first, second, *rest = result.stdout.split("kernel series-fixed-7.3, ")[1:]
    assert not rest, "it went on after 'quit'"
    for line in (
        "enomem: amdgpu_bo_create: 1 times from occasion 3 on",
        "eintr: any process: 2 times from occasion 1 on",
        "sdma0: next fence lost",
        "gfx_0.0.0: next job hangs (wave)",
        "idle, held",
    ):
        assert line in first, f"no {line!r} in {first}"
    assert "injected" not in second


def test_without_a_machine_it_says_how_to_start_one(tmp_path: object) -> None:
    """One sentence, exit status 2; a machine can be named."""
    environment = {name: value for name, value in os.environ.items() if name != "AMDGPU_HW_MOCK"}
    command = [sys.executable, "-m", "amdgpu_hw", "console", f"--machine={tmp_path}", "status"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"amdgpu-hw: no mock machine answers in {tmp_path}: No such file or directory\n"


def test_gpu_time_of_a_machine() -> None:
    """``mock --gpu-time`` is what the machine says it has; nonsense is refused."""
    command = [sys.executable, "-m", "amdgpu_hw", "mock", "--gpu-time", "2.5", "--"]
    output = subprocess.check_output([*command, sys.executable, "-m", "amdgpu_hw", "console", "status"], text=True)
    assert "modelled GPU time x 2.5" in output
    command[5] = "-1"
    result = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "must be a number from 0 to 1e+06, not '-1'" in result.stderr
