# SPDX-License-Identifier: MIT
"""A node without /sys, as some containers have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from amdgpu_hw.mock.machine import Machine


def test_a_node_that_sysfs_does_not_show_is_named_for_what_it_is(machine: Machine, tmp_path: Path) -> None:
    """It is amdgpu's, which the node itself tells; that libdrm cannot use it so is the next sentence."""
    for directory in ("sys", "dev/dri"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "dev" / "dri" / "renderD128").touch()
    environment = machine.environ() | {"UMOCKDEV_DIR": str(tmp_path)}
    for arguments in (["info"], ["info", "--gpu", "/dev/dri/renderD128"], ["validate"]):
        command = [sys.executable, "-m", "amdgpu_hw", *arguments]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert told.returncode == 2, told.stdout + told.stderr
        assert "is an amdgpu GPU that sysfs does not show, and libdrm cannot use it so" in told.stdout + told.stderr
        assert "Traceback" not in told.stdout + told.stderr
