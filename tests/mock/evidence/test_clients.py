# SPDX-License-Identifier: MIT
"""Who has a mock GPU open: other processes, once each, and those that draw a desktop."""

from __future__ import annotations

import json
import subprocess
import sys

from amdgpu_hw.mock.machine import Machine

HOLD = """
import os, sys
first = os.open("/dev/dri/renderD128", os.O_RDWR)
copy = os.dup(first)
print("open", flush=True)
sys.stdin.read()
"""

LOOK = """
import json
from amdgpu_hw.evidence.clients import gpu_clients
print(json.dumps([client.to_json() for client in gpu_clients("0000:03:00.0")]))
print(len(gpu_clients("0000:04:00.0")))
"""


def test_other_processes_on_a_gpu_are_found() -> None:
    """By the GPU's address; a descriptor and its copy are one client, and a compositor is known by its name."""
    rename = f"from pathlib import Path\nPath('/proc/self/comm').write_text('gnome-shell')\n{HOLD}"
    with Machine(["navi31"]) as machine:
        with subprocess.Popen(
            [sys.executable, "-c", rename],
            env=machine.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            assert holder.stdout.readline() == "open\n"
            shown = subprocess.run(
                [sys.executable, "-c", LOOK],
                env=machine.environ(),
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            holder.stdin.close()
            pid = holder.pid
        clients, elsewhere = shown.stdout.splitlines()
        assert json.loads(clients) == [
            {"pid": pid, "name": "gnome-shell", "node": "/dev/dri/renderD128", "compositor": True}
        ]
        assert elsewhere == "0"
