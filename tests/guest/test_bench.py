# SPDX-License-Identifier: MIT
"""`scripts/bench_guest.py` and its parts. How long anything takes is not asserted anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from bench.cpu_time import OURSELVES, ProcessorTimes, processor_ns

from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU
from tests import plain_environment

SCRIPTS = Path(__file__).parents[2] / "scripts"
BUSY = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass"


def environment() -> dict[str, str]:
    """Ours without pytest's."""
    return plain_environment() | {"COLUMNS": "160"}


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
    """In nanoseconds; the kernel brings it up to date with each tick, which may be 10 ms ago."""
    before = processor_ns(os.getpid())
    deadline = time.process_time() + 0.2
    while time.process_time() < deadline:
        pass
    assert 150_000_000 < processor_ns(os.getpid()) - before < 1_000_000_000


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
