# SPDX-License-Identifier: MIT
"""Runs `amdgpu-hw validate` for scripts that read its results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ("run_validate",)


def run_validate(results: Path, *options: str, errors_too: bool = True) -> int:
    """Validate into ``results``; the exit status. The report is kept beside it, as .txt.

    ``errors_too``: what goes to standard error is a part of that report, and not told at once.
    """
    command = [sys.executable, "-m", "amdgpu_hw", "validate", *options, f"--results={results}"]
    with results.with_suffix(".txt").open("wb") as report:
        stderr = subprocess.STDOUT if errors_too else None
        return subprocess.run(command, stdout=report, stderr=stderr, check=False).returncode
