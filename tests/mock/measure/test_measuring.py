# SPDX-License-Identifier: MIT
"""Sampling and measuring on mock machines: the files in `cases`, in a process of their own on each machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from amdgpu_hw.mock.machine import Machine

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).parents[3]
SLOW_GPU = 32
"""Factor on modelled time, so that the GPU's work takes longer than the mock needs for it."""


@pytest.mark.parametrize(
    ("case", "kernel"),
    [("case_sampling.py", "series-fixed"), ("case_runs.py", "series-fixed"), ("case_runs.py", "base")],
)
def test_measuring_in_c(case: str, kernel: str) -> None:
    """Every case holds."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES / case)]
    with Machine(["navi31"], kernel, gpu_time=SLOW_GPU) as machine:
        environment = machine.environ() | {"CASE_KERNEL": kernel}
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        log = machine.log()
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}\nThe mock kernel's log:\n{log}"
