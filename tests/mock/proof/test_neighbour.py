# SPDX-License-Identifier: MIT
"""The second process on a GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.mock.machine import Machine
from amdgpu_hw.proof.neighbour import Neighbour, NeighbourProcess

ROOT = Path(__file__).parents[3]

# A job of the neighbour is pending under the gate, done once it is open, and the neighbour ends with its user.
HELD = """
from amdgpu_hw.gate import choose
from amdgpu_hw.gpu import open_gpu
from amdgpu_hw.proof.neighbour import Neighbour, NeighbourProcess
maker = choose("128").maker
process = NeighbourProcess("128", 60)
for _ in range(2):
    with open_gpu("128") as gpu, Neighbour(process) as neighbour:
        with maker.shut("a job", 5_000_000_000) as gate, neighbour.submit(gate, gpu).fence as fence:
            assert not fence.wait(20_000_000)
            gate.open()
            assert fence.wait(5_000_000_000)
process.close()
print("held")
"""

# Closing an address space where work is pending is refused after two seconds: the process ends instead, and the next
# neighbour is another one.
STUCK = """
from amdgpu_hw.gate import choose
from amdgpu_hw.gpu import open_gpu
from amdgpu_hw.proof.neighbour import Neighbour, NeighbourProcess
maker = choose("128").maker
process = NeighbourProcess("128", 60)
with open_gpu("128") as gpu:
    with maker.shut("a job", 4_000_000_000) as gate:
        with Neighbour(process) as neighbour:
            neighbour.submit(gate, gpu).fence.close()
    with Neighbour(process) as neighbour, maker.shut("a job", 4_000_000_000) as gate:
        neighbour.submit(gate, gpu).fence.close()
        gate.open()
process.close()
print("held")
"""


# A buffer that the neighbour keeps locked cannot be unmapped here before the gate opens; another can.
LOCKED = """
from amdgpu_hw.gate import choose
from amdgpu_hw.gpu import open_gpu
from amdgpu_hw.proof.neighbour import Neighbour, NeighbourProcess
from amdgpu_hw.sync import BackgroundCall
maker = choose("128").maker
process = NeighbourProcess("128", 60)
with open_gpu("128") as gpu, Neighbour(process) as neighbour:
    locked, other = gpu.alloc(4096, "vram|gtt"), gpu.alloc(4096)
    there, here = gpu.reserve(4096), gpu.reserve(4096)
    there.map(locked)
    here.map(other)
    with maker.shut("a job", 5_000_000_000) as gate:
        neighbour.lock(locked, gate, gpu)
        here.unmap(other)
        call = BackgroundCall(lambda: there.unmap(locked))
        assert not call.wait(50_000_000)
        gate.open()
        assert call.wait(5_000_000_000)
        call.result(0)
process.close()
print("held")
"""


@pytest.mark.parametrize("program", [HELD, STUCK, LOCKED], ids=["done", "stuck", "locked"])
def test_a_job_of_the_neighbour_waits_for_the_gate(program: str) -> None:
    """And for nothing else, as does a buffer's lock. Each neighbour after the first is as good as that."""
    with Machine() as machine:
        command = [sys.executable, "-c", program]
        result = subprocess.run(command, env=machine.environ(), cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.returncode) == ("held\n", 0), result.stderr


def test_a_neighbour_without_a_gpu_says_why() -> None:
    """In the words of the process that could not open it."""
    with pytest.raises(HarnessError, match="no second process on the GPU: no amdgpu GPU was found"):
        Neighbour(NeighbourProcess("no-such-gpu", 60))
