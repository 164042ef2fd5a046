# SPDX-License-Identifier: MIT
"""The benchmark: it runs to its end and prints its tables. How long anything takes is not asserted anywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import plain_environment

SCRIPTS = Path(__file__).parents[2] / "scripts"
SCRIPT = SCRIPTS / "bench_mock.py"
SMALLEST = (
    "--samples=20",
    "--mappings=1000",
    "--threads=4",
    "--seconds=0.1",
    "--starts=1",
    "--no-suite",
)

AFTER_A_TESTBED = """
import gc
from bench.umockdev import TrivialTestbed
testbed = TrivialTestbed()
testbed.close()
del testbed
gc.collect()
print("libumockdev.so" in open("/proc/self/maps").read())
"""


def test_the_benchmark_prints_a_row_for_everything_it_measures() -> None:
    """Calls, the comparison with umockdev, live mappings, threads, the start of a machine."""
    environment = plain_environment()
    result = subprocess.run(
        [sys.executable, str(SCRIPT), *SMALLEST],
        env=environment | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    for row in (
        "refused ioctl (the seam alone)",
        "trivial ioctl (GET_CAP)",
        "GEM_VA map",
        "GEM_VA unmap",
        "CS + WAIT_CS",
        "Mapping.unmap()",
        "umockdev",
        "1,000",
        "threads of one client",
        "start of a machine:",
    ):
        assert row in result.stdout, f"no row '{row}' in:\n{result.stdout}"


def test_umockdev_stays_loaded_when_its_testbed_is_gone() -> None:
    """The testbed's worker thread runs on, and must not run into code that is no longer there (a segfault at exit)."""
    result = subprocess.run(
        [sys.executable, "-c", AFTER_A_TESTBED], cwd=SCRIPTS, capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stdout) == (0, "True\n"), result.stderr
