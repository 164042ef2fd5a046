# SPDX-License-Identifier: MIT
"""Clocks and modelled time as a program sees them."""

import subprocess
import sys

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.mock.machine import Machine

CLOCKS = """
import time
from amdgpu_hw import open_gpu
from amdgpu_hw.packets import Sdma
from amdgpu_hw.uapi.amdgpu_info import AMDGPU_INFO_TIMESTAMP
with open_gpu() as gpu, gpu.alloc(4096) as bo, gpu.reserve(4096) as place:
    place.map(bo).wait()
    def info():
        return int.from_bytes(gpu.query_info(AMDGPU_INFO_TIMESTAMP, 8), "little")
    def both_clocks():
        "The one and the other at the same time: of many readings that between which least time has passed."
        readings = [(time.monotonic_ns(), info(), time.monotonic_ns()) for _ in range(50)]
        before, ticks, after = min(readings, key=lambda reading: reading[2] - reading[0])
        return ticks, (before + after) / 2
    ticks, clock = both_clocks()
    seen = [info() for _ in range(200)]
    for queue in (gpu.sdma, gpu.compute):
        for _ in range(20):
            packets = queue.packets
            stamp = packets.timestamp if isinstance(packets, Sdma) else packets.release_mem_clock
            queue.submit([word for i in range(4) for word in stamp(place.va + 8 * i)]).wait()
            seen += [int.from_bytes(bo.read(8 * i, 8), "little") for i in range(4)]
            seen.append(info())
    time.sleep(0.3)
    later_ticks, later_clock = both_clocks()
    rate = (later_ticks - ticks) / (later_clock - clock) * 1e6
    print(rate, all(a < b for a, b in zip(seen, seen[1:])))
"""

DURATION = """
import time
from amdgpu_hw import open_gpu
with open_gpu() as gpu:
    queue = gpu.sdma
    queue.submit(queue.packets.nop()).wait()
    took = []
    for _ in range(5):
        start = time.monotonic()
        queue.submit(queue.packets.nop()).wait()
        took.append(time.monotonic() - start)
    print(min(took))
"""


def run(machine: Machine, script: str) -> list[str]:
    """Run a script on the machine; the words it printed."""
    return subprocess.check_output([sys.executable, "-c", script], env=machine.environ(), text=True).split()


@pytest.mark.parametrize(
    ("gpu", "gpu_time"), [("polaris10", 1.0), ("navi21", 1.0), ("mi300x", 1.0), ("navi48", 1.0), ("navi21", 0.0)]
)
def test_timestamps_follow_the_clock(gpu: str, gpu_time: float) -> None:
    """INFO TIMESTAMP runs at the advertised frequency, within 1 % of CLOCK_MONOTONIC; no reading comes twice."""
    with Machine([gpu], gpu_time=gpu_time) as machine:
        rate, increasing = run(machine, CLOCKS)
    expected = load_identity(gpu).clocks.counter
    assert float(rate) == pytest.approx(expected, rel=0.01), f"{rate} kHz, not {expected}"
    assert increasing == "True", "two timestamps are equal, or one went back"


def test_work_takes_its_modelled_time() -> None:
    """A job of nothing takes microseconds, and with a factor of 100 000 at least 0.1 s."""
    with Machine(["navi31"]) as machine:
        [quick] = run(machine, DURATION)
    with Machine(["navi31"], gpu_time=100_000) as machine:
        [slow] = run(machine, DURATION)
    assert float(slow) >= 0.1, f"{slow} s"
    assert float(quick) < 0.1, f"{quick} s"
