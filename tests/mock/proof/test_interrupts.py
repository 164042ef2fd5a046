# SPDX-License-Identifier: MIT
"""Ctrl-C at moments at which the steps of a run cannot be left in the middle: it ends the run all the same, with 3."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.proof.interrupts import Interrupts
from tests import plain_environment
from tests.mock.proof.test_plugin import CONFTEST, ROWS


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    """Those of this process, which gets its handlers back."""
    taken = Interrupts()
    taken.take()
    yield taken
    taken.restore()


@pytest.mark.parametrize(("number", "how"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_an_interrupt_is_kept_until_somebody_asks(interrupts: Interrupts, number: signal.Signals, how: str) -> None:
    """And asked once more it is still there."""
    signal.raise_signal(number)
    assert (interrupts.how, interrupts.raised) == (how, False)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt, match=how):
            interrupts.check()
    assert interrupts.raised


def test_an_interrupt_is_let_in_where_time_is_spent(interrupts: Interrupts) -> None:
    """At once, or at the beginning of the block when it came before."""
    entered = []

    def spend_time() -> None:
        with interrupts:
            entered.append("begun")
            signal.raise_signal(signal.SIGINT)
            entered.append("ended")

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            spend_time()
    assert entered == ["begun"]


def test_one_that_comes_twice_together_is_one_and_a_later_one_insists(
    interrupts: Interrupts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal's and what another process passes on; and somebody who does not want to wait."""
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
    assert interrupts.how == "Ctrl-C"
    later = time.monotonic() + 2
    monkeypatch.setattr("amdgpu_hw.proof.interrupts.time.monotonic", lambda: later)
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        signal.raise_signal(signal.SIGINT)


def test_whoever_had_the_signals_gets_them_back() -> None:
    """Also after an interrupt."""
    before = signal.getsignal(signal.SIGINT)
    taken = Interrupts()
    taken.take()
    assert signal.getsignal(signal.SIGINT) != before
    taken.restore()
    assert signal.getsignal(signal.SIGINT) == before


TESTS = """
import signal
import pytest
from amdgpu_hw.errors import DrmError
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.record import Broken

def ctrl_c():
    signal.raise_signal(signal.SIGINT)

@pytest.fixture
def fails_at_its_end(gpu):
    yield
    raise DrmError(9, "AMDGPU_INFO")

@behaviour("X01", "is interrupted, and then its fixture fails")
def test_in_a_test(gpu, must, fails_at_its_end):
    ctrl_c()

@behaviour("X02", "is interrupted, and something else is raised instead")
def test_in_a_finally(gpu, must):
    try:
        ctrl_c()
    finally:
        raise Broken("the job has not completed")

@pytest.fixture
def interrupted_at_its_end(fails_at_its_end):
    yield
    ctrl_c()

@behaviour("X03", "is interrupted at its end, where something else fails as well")
def test_in_the_end_of_a_fixture(must, interrupted_at_its_end):
    must.note("fine")

class Interrupted:
    def __del__(self):
        ctrl_c()

@behaviour("X04", "is interrupted where Python forgets what is raised")
def test_in_a_finalizer(gpu, must):
    Interrupted()
    must.note("fine")

@behaviour("X05", "is interrupted between two steps of pytest, which fail if one is left out")
def test_in_pytest(gpu, must, monkeypatch):
    from _pytest.capture import FDCapture
    suspend, resume = FDCapture.suspend, FDCapture.resume
    def interrupted(self):
        FDCapture.suspend = suspend
        suspend(self)
        self._state = "started"
        ctrl_c()
        self._state = "suspended"
    FDCapture.suspend = interrupted
    must.note("fine")

@behaviour("X06", "waits for nothing")
def test_afterwards(gpu, must):
    must.note("the run went on")
"""


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        ("X01", "did not finish"),
        ("X02", "did not finish"),
        ("X03", "broken"),
        ("X04", "holds"),
        ("X05", "holds"),
    ],
)
def test_an_interrupt_ends_the_run_with_its_status(row: str, outcome: str, tmp_path: Path) -> None:
    """Whatever else went wrong because of it; what had ended before is judged, and nothing runs afterwards."""
    for name, text in (("conftest.py", CONFTEST), ("rows.toml", ROWS), ("test_x.py", TESTS)):
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "amdgpu_hw", "validate", "--mock", "--results=r.json"]
    command += [str(tmp_path / "test_x.py"), "-k", f"{row} or X06"]
    environment = plain_environment()
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=150, check=False
    )
    told = result.stdout + result.stderr
    file: dict[str, Any] = json.loads((tmp_path / "r.json").read_text())
    cases = {case["row"]: case["outcome"] for case in file["cases"]}
    assert cases == {row: outcome}, told
    assert file["interrupted"].startswith("Ctrl-C"), told
    assert result.returncode == (ExitStatus.BROKEN if outcome == "broken" else ExitStatus.INCOMPLETE), told
    assert "The run ended early: Ctrl-C" in told
    assert "Traceback" not in told
