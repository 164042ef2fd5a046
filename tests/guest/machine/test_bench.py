# SPDX-License-Identifier: MIT
"""`scripts/bench_guest.py` as a whole. How long anything takes is not asserted anywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.guest.machine.requirements import why_not
from tests.guest.test_bench import environment

SCRIPTS = Path(__file__).parents[3] / "scripts"
TIMEOUT_S = 400


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.timeout(TIMEOUT_S)
def test_the_benchmark_prints_a_row_for_everything_it_measures() -> None:
    """Registers, calls in guest and mock machine, the parts of a run."""
    command = [sys.executable, str(SCRIPTS / "bench_guest.py"), "--samples=20", "--rounds=1", "--no-suite"]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for row in (
        "register, BAR5 mapped: read",
        "register, debugfs amdgpu_regs: read",
        "no guest: REGION_READ over vfio-user",
        "trivial ioctl (GET_CAP)",
        "GEM_VA map",
        "CS + WAIT_CS",
        "boot to our agent",
        "load the driver",
        "power off",
        "together",
    ):
        assert row in result.stdout, f"no row '{row}' in:\n{result.stdout}"
