# SPDX-License-Identifier: MIT
"""The GPU is reset in the middle of explicit unmaps: no call hangs, each ends with a right error, nothing is left."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from amdgpu_hw.mock.machine import Machine

CLIENT = str(Path(__file__).with_name("updates_client.py"))
RESETS = 3
SECONDS = 30


@pytest.mark.parametrize("gpu", ["navi31", "mi300x", "navi48", "polaris10"])
def test_resets_in_the_middle_of_explicit_updates(gpu: str) -> None:
    """Updates are accepted throughout, jobs are done or cancelled (VRAM was lost), and a new context works.

    On the series' own base: 7.3 does not write always-valid mappings again, so that jobs behind a reset read nothing.
    """
    with Machine([gpu], "series-fixed") as machine, machine.console() as console:
        with subprocess.Popen(
            [sys.executable, CLIENT],
            env=machine.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            assert client.stdout.readline() == "ready\n"
            for _ in range(RESETS):
                time.sleep(0.05)
                console.reset()
            try:
                output, _ = client.communicate("enough\n", timeout=SECONDS)
            except subprocess.TimeoutExpired:
                client.kill()
                raise AssertionError(
                    f"the program hangs {SECONDS} s after {RESETS} resets; pending: {console.jobs()}"
                ) from None
        updates, jobs, afterwards = output.splitlines()
        assert client.returncode == 0, output
        assert updates == "updates done"
        assert set(jobs.split()[1:]) <= {"done", "ECANCELED", "ETIME"}
        assert "ECANCELED" in jobs, "the resets went by unnoticed"
        assert afterwards == "afterwards 0x600dda7a"
        deadline = time.monotonic() + SECONDS
        while any(console.audit().values()):
            assert time.monotonic() < deadline, f"left over: {console.audit()}"
            time.sleep(0.02)
        assert console.status().oopses == 0, console.log()
