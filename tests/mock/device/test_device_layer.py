# SPDX-License-Identifier: MIT
"""The device layer on mock machines: the files in `cases`, in a process of their own on each machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.mock.machine import Machine

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).parents[3]

MACHINES = [
    (("navi31",), "series-fixed"),
    (("navi31",), "base"),
    (("navi21",), "6.12"),
    (("mi300x", "navi21"), "series-v1"),
]


@pytest.fixture(scope="module", params=MACHINES, ids=lambda machine: f"{'+'.join(machine[0])}-{machine[1]}")
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A booted mock machine."""
    gpus, kernel = request.param
    with Machine(gpus, kernel) as booted:
        yield booted


def test_the_device_layer_works_on(machine: Machine) -> None:
    """Every case holds on this machine, and the mock kernel had nothing to complain about."""
    before = machine.log()
    cases = sorted(str(file) for file in CASES.glob("case_*.py"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *cases]
    environment = machine.environ() | {"CASE_KERNEL": machine.kernel, "CASE_GPUS": " ".join(machine.gpus)}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    machine.check()
    log = machine.log()[len(before) :]
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}\nThe mock kernel's log:\n{log}"
    assert "Oops" not in log, log


def test_a_wrong_selector_costs_no_traceback(machine: Machine) -> None:
    """What a script prints about a GPU that is not there is one line that names those that are."""
    script = "import amdgpu_hw\ntry:\n    amdgpu_hw.open_gpu('radeon 9700')\nexcept amdgpu_hw.NoGpu as e:\n    print(e)"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=machine.environ(dict(os.environ)), capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("no amdgpu GPU matches 'radeon 9700'")
    assert "/dev/dri/renderD128 (0000:03:00.0" in result.stdout


GPU_GONE = """
from pathlib import Path
from amdgpu_hw.gpu import open_gpu
gpu = open_gpu()
dropped, closed = gpu.syncobj(), gpu.syncobj()
Path(f"/sys/bus/pci/devices/{gpu.identity.pci_address}/remove").write_text("1")
del dropped
closed.close()
gpu.close()
print("closed")
"""


def test_what_is_left_of_a_gpu_that_is_gone_is_dropped_in_silence() -> None:
    """Its file answers every call with ENODEV: there is nothing to give back, and nobody to tell."""
    with Machine() as machine:
        command = [sys.executable, "-c", GPU_GONE]
        result = subprocess.run(command, env=machine.environ(), cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr, result.returncode) == ("closed\n", "", 0)
