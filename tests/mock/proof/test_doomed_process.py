# SPDX-License-Identifier: MIT
"""The process that is killed in the middle of updates does not outlive whoever started it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from amdgpu_hw.mock.machine import Machine

# Starts one, says which, and waits; its own end closes the socket and sends the parent's death signal.
PARENT = """
import sys, time
from amdgpu_hw.helper_process import HelperProcess
process = HelperProcess("amdgpu_hw.proof.doomed_process", "128", str(1 << 21), start_s=20)
assert process.trouble is None, process.trouble
print(process._process.pid, flush=True)
time.sleep(60)
"""


def lives(process: Path) -> bool:
    """Whether a process is there and no zombie that nobody has waited for."""
    try:
        return ") Z " not in (process / "stat").read_text()
    except OSError:
        return False


def test_it_dies_with_its_parent() -> None:
    """Whichever way that goes: here by SIGKILL."""
    with (
        Machine(["navi31"]) as machine,
        subprocess.Popen(
            [sys.executable, "-c", PARENT], env=machine.environ(), stdout=subprocess.PIPE, text=True
        ) as parent,
    ):
        assert parent.stdout is not None
        child = Path("/proc", parent.stdout.readline().strip())
        assert b"doomed_process" in (child / "cmdline").read_bytes()
        parent.kill()
        parent.wait()
        end = time.monotonic() + 10
        while lives(child):
            assert time.monotonic() < end, "it lives on without its parent"
            time.sleep(0.01)
