# SPDX-License-Identifier: MIT
"""Scripts of this folder run in the project's virtual environment, whichever Python they were started with."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ("run_in_venv",)

_NEEDS = {"run": "amdgpu_hw", "measure": "scipy"}
"""A module that is there where a profile of scripts/setup, or as much, is installed."""


def run_in_venv(profile: str = "run") -> None:
    """Set up ``profile`` of scripts/setup and start the script anew in .venv, unless this Python has what it needs.

    To be called before anything is imported that is not of Python itself. Ends the process if the set-up fails, which
    has said why.
    """
    if all(find_spec(module) is not None for module in ("amdgpu_hw", _NEEDS[profile])):
        return
    top = Path(__file__).resolve().parents[1]
    done = subprocess.run([top / "scripts" / "setup", profile], check=False)
    if done.returncode:
        sys.exit(done.returncode)
    python = top / ".venv" / "bin" / "python"
    os.execv(python, [str(python), *sys.argv])
