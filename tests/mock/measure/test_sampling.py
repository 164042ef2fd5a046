# SPDX-License-Identifier: MIT
"""Sampling on a mock machine: `cases/case_sampling.py`, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from amdgpu_hw.mock.machine import Machine

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).parents[3]
SLOW_GPU = 32
"""Factor on modelled time, so that the GPU's work takes longer than the mock needs for it."""


def test_sampling_in_c() -> None:
    """Every case holds."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES / "case_sampling.py")]
    with Machine(["navi31"], "series-fixed", gpu_time=SLOW_GPU) as machine:
        result = subprocess.run(command, cwd=ROOT, env=machine.environ(), capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}\nThe mock kernel's log:\n{machine.log()}"
