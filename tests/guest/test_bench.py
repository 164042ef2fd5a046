# SPDX-License-Identifier: MIT
"""`scripts/bench_guest.py` and its parts. How long anything takes is not asserted anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bench.cpu_time import OURSELVES, ProcessorTimes, processor_ns

from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU
from tests.conftest import BOOTS
from tests.guest.test_boot import why_not

SCRIPTS = Path(__file__).parents[2] / "scripts"
BUSY = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass"
TIMEOUT_S = 400


def environment() -> dict[str, str]:
    """Ours without pytest's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | {"COLUMNS": "160"}


def test_processor_time_of_a_child_is_counted_when_it_was_used() -> None:
    """Also when the child is over; a part of the run in which nobody worked has none of it."""
    with ProcessorTimes() as processors:
        begin = time.monotonic()
        subprocess.run([sys.executable, "-c", BUSY], check=True)
        end = time.monotonic()
        time.sleep(0.5)
    assert 0.3 < processors.between(begin, end + 0.2)[OURSELVES] < 2
    assert processors.between(end + 0.3, end + 0.5)[OURSELVES] < 0.2


def test_processor_time_of_this_process_grows() -> None:
    """In nanoseconds."""
    before = processor_ns(os.getpid())
    deadline = time.process_time() + 0.05
    while time.process_time() < deadline:
        pass
    assert 40_000_000 < processor_ns(os.getpid()) - before < 1_000_000_000


def test_a_register_is_read_without_a_guest() -> None:
    """The modelled GPU's process is started, answers as often as asked, and is gone."""
    command = [sys.executable, "-m", "bench.region_reads", f"--gpu={DEFAULT_GPU}", "--register=49216", "--samples=50"]
    result = subprocess.run(
        command, cwd=SCRIPTS, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert len(told["round trip"]) == 50
    assert min(told["round trip"]) > 0
    assert told["processor"] > 0


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.xdist_group(BOOTS)
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
