# SPDX-License-Identifier: MIT
"""Tests that fail run again when asked to; what holds then is flaky, and no success."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.mock.proof.test_plugin import run

FLAKY = """
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.record import Broken

tries = {"X01": 0, "X02": 0, "X03": 0}

def fail_until(row, number, must):
    tries[row] += 1
    must.note(f"try {tries[row]}")
    if tries[row] < number:
        raise Broken(f"{row} was late on try {tries[row]}")

@behaviour("X01", "holds from the second try on")
def test_second(gpu, must):
    fail_until("X01", 2, must)

@behaviour("X02", "never holds")
def test_never(gpu, must):
    fail_until("X02", 99, must)

@behaviour("X03", "holds at once")
def test_first(gpu, must):
    fail_until("X03", 1, must)

@behaviour("X04", "holds if its control does", control="X01")
def test_controlled(gpu, must):
    must.note("fine")
"""


@pytest.fixture(scope="module")
def rerun(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any]]:
    """The exit status of a run with two more tries, and its cases."""
    result, cases = run(tmp_path_factory.mktemp("rerun"), FLAKY, "--amdgpu-rerun=2")
    return result.returncode, cases


def test_what_holds_on_another_try_is_flaky_and_fails_the_run(rerun: tuple[int, dict[str, Any]]) -> None:
    """With what was seen at first."""
    status, cases = rerun
    assert status == 1
    assert cases["X01"]["outcome"] == "flaky"
    assert cases["X01"]["reason"] == "it held on try 2; before that: broken: X01 was late on try 1"


def test_what_never_holds_is_broken_and_what_holds_at_once_is_not_run_again(
    rerun: tuple[int, dict[str, Any]],
) -> None:
    """One case each, of the last try."""
    _, cases = rerun
    assert (cases["X02"]["outcome"], cases["X02"]["reason"]) == ("broken", "X02 was late on try 3")
    assert [each["text"] for each in cases["X03"]["evidence"]] == ["try 1"]


def test_a_flaky_control_proves_nothing(rerun: tuple[int, dict[str, Any]]) -> None:
    """What it controls is inconclusive."""
    assert rerun[1]["X04"]["outcome"] == "inconclusive"


def test_known_failures_are_not_run_again_and_known_flakes_do_not_fail(tmp_path: Path) -> None:
    """Expectations say so."""
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "any-any-fails.txt").write_text("# known\nX02,Fail\n\n# the control\nX04,Inconclusive\n")
    (tmp_path / "e" / "any-any-flakes.txt").write_text("# known\nX01,Flake\n")
    result, cases = run(tmp_path, FLAKY, "--amdgpu-rerun=1", "--amdgpu-expectations=e")
    assert result.returncode == 0, result.stdout
    assert cases["X02"]["reason"] == "X02 was late on try 1"
    assert cases["X01"]["outcome"] == "broken"
    assert "a flake" in cases["X01"]["expected"]
