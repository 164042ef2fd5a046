# SPDX-License-Identifier: MIT
"""The benchmark of sampling: it runs to its end and prints its table. How long anything takes is asserted nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "bench_sampling.py"


def test_the_benchmark_prints_a_row_for_every_way() -> None:
    """A bare C loop, the sampler, the device layer and ctypes."""
    command = [sys.executable, str(SCRIPT), "--samples=3", "--repetitions=3"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    for row in ("bare C loop", "sampling in C", "device layer", "ctypes"):
        assert row in result.stdout, f"no row '{row}' in:\n{result.stdout}"
