# SPDX-License-Identifier: MIT
"""`scripts/kernel_diff.py --short`: the mock kernel does what the newest stock kernel does; one boot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.guest.machine.requirements import why_not

TOP = Path(__file__).parents[3]
TIMEOUT_S = 400
"""Quiet, it takes a minute."""

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(TIMEOUT_S),
]


def test_the_mock_kernel_agrees_with_a_real_one(tmp_path: Path) -> None:
    """Rows, calls and programs, of each a few; nothing differs that is not listed."""
    command = [sys.executable, str(TOP / "scripts" / "kernel_diff.py"), "--short", f"--results={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert [line.split("│")[3].strip() for line in done.stdout.splitlines() if "vega10" in line] == [
        "programs",
        "errnos",
        "rows",
    ]
