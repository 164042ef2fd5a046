# SPDX-License-Identifier: MIT
"""The gates on mock machines, and that no way out of a process leaves one shut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.mock.machine import Machine

ROOT = Path(__file__).parents[3]
CASES = Path(__file__).parent / "cases" / "case_gates.py"

# A process with a job held by a gate, which then ends as `{end}` says.
HOLDER = """
import os, signal, sys, time
from amdgpu_hw.gate import makers
from amdgpu_hw.gpu import open_gpu
maker = {{one.name: one for one in makers("128")}}["{kind}"]
maker.why_not()
gpu = open_gpu("128")
gate = maker.shut("a job", 5_000_000_000)
queue = gpu.compute
job = queue.submit(queue.packets.nop(), wait=[gate.fence(gpu)])
assert gate.is_shut and not job.signaled()
print("shut", flush=True)
{end}
"""

NEXT = "from amdgpu_hw.gpu import open_gpu; g = open_gpu(); print(g.compute.submit(g.compute.packets.nop()).wait())"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine with everything that gates are made of."""
    with Machine() as machine:
        yield machine


def on(machine: Machine, script: str) -> subprocess.CompletedProcess[str]:
    """Run a Python script on a machine."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=machine.environ(), cwd=ROOT, capture_output=True, text=True, timeout=30)


def test_the_cases_hold(machine: Machine) -> None:
    """Every kind of gate does what it must, on a machine that has all."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)]
    result = subprocess.run(command, env=machine.environ(), cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}\n{machine.log()}"


CTRL_C = """
signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background jobs ignore it
os.kill(os.getpid(), signal.SIGINT)
time.sleep(9)
"""


@pytest.mark.parametrize("kind", ["vgem", "sw_sync", "gpu-wait"])
@pytest.mark.parametrize(
    ("end", "status"),
    [
        pytest.param("sys.exit(0)", 0, id="exit"),
        pytest.param("raise RuntimeError('boom')", 1, id="exception"),
        pytest.param(CTRL_C, -signal.SIGINT, id="Ctrl-C"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, id="SIGTERM"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, id="SIGKILL"),
        pytest.param("os._exit(3)", 3, id="_exit"),
    ],
)
def test_no_way_out_leaves_a_gate_shut(machine: Machine, kind: str, end: str, status: int) -> None:
    """The process ends long before the watchdog would have opened the gate, and the GPU works for the next one."""
    started = time.monotonic()
    result = on(machine, HOLDER.format(kind=kind, end=end))
    assert result.stdout == "shut\n", result.stderr
    assert result.returncode == status
    assert time.monotonic() - started < 4
    assert on(machine, NEXT).stdout == "True\n"


def test_the_process_behind_a_gpu_wait_gate_ends_with_its_user(machine: Machine) -> None:
    """Even if that is killed: no orphan stays."""
    on(machine, HOLDER.format(kind="gpu-wait", end="os.kill(os.getpid(), signal.SIGKILL)"))
    deadline = time.monotonic() + 5
    while (left := _processes("amdgpu_hw.gate.gpu_wait_process", machine)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


@pytest.mark.parametrize(
    ("without", "chosen", "why"),
    [
        (("vgem",), "sw_sync", "the vgem driver is not loaded"),
        (("vgem", "sw_sync"), "gpu-wait", "CONFIG_SW_SYNC"),
    ],
)
def test_the_next_safest_is_chosen_where_one_is_missing(without: tuple[str, ...], chosen: str, why: str) -> None:
    """And the choice says why not the safer ones."""
    script = "from amdgpu_hw.gate import choose; c = choose('128'); print(c.name, c.why_not)"
    with Machine(without=without) as machine:
        result = on(machine, f"{script}; c.maker.close()")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{chosen} ")
    assert why in result.stdout


def _processes(module: str, machine: Machine) -> list[int]:
    """Processes of a machine that run a module."""
    directory = machine.environ()["UMOCKDEV_DIR"].encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                command, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            except OSError:
                continue
            if module.encode() in command and directory in environment:
                found.append(int(entry.name))
    return found
