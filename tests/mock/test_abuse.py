# SPDX-License-Identifier: MIT
"""`scripts/abuse.py`, in short: validations that are interrupted or killed at random leave nothing behind."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from abuse import abuse

from amdgpu_hw.exit_status import ExitStatus

TESTS = ("-k", "B0")


@pytest.mark.parametrize("number", range(3))
def test_an_interrupted_validation_says_so_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    """Wherever it was: while it starts, while it runs, or when it was over."""
    run = abuse(tmp_path, number, "interrupt", random.Random(100 + number), 8.0, TESTS)
    assert run.faults == [], run
    assert run.status in (ExitStatus.INCOMPLETE, ExitStatus.PROVEN)


@pytest.mark.parametrize("number", range(4))
def test_a_killed_validation_loses_no_case_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    """Whichever of its processes it was."""
    run = abuse(tmp_path, number, "kill", random.Random(200 + number), 8.0, TESTS)
    assert run.faults == [], run
    assert run.status in (ExitStatus.INCOMPLETE, ExitStatus.PROVEN, -signal.SIGKILL)
