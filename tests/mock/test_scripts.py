# SPDX-License-Identifier: MIT
"""The scripts: each can be started as the README says, before and without activating any environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
PROGRAMS = sorted(path for path in SCRIPTS.glob("*.py") if path.read_text(encoding="utf-8").startswith("#!"))


@pytest.mark.skipif(
    Path(sys.prefix) != SCRIPTS.parent / ".venv", reason="these tests do not run in the .venv of scripts/setup"
)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_script_starts_with_a_python_that_has_nothing_installed(program: Path) -> None:
    """It goes on in .venv, which it would set up first."""
    bare = Path(sys.executable).resolve()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL"))
    }
    lacking = subprocess.run(
        [bare, "-c", "import amdgpu_hw"], env=environment, cwd="/", capture_output=True, check=False
    )
    assert lacking.returncode, f"{bare} has the package installed: this shows nothing"
    result = subprocess.run(
        [bare, program, "--help"], env=environment, cwd="/", capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout[:6]) == (0, "usage:"), result.stdout + result.stderr


def test_scripts_that_begin_like_programs_can_be_run() -> None:
    """As can those of the shell; the others are parts of them."""
    everything = [path for path in SCRIPTS.iterdir() if path.is_file()]
    programs = {path.name for path in everything if path.read_bytes().startswith(b"#!")}
    assert programs == {path.name for path in everything if os.access(path, os.X_OK)}
    assert {"validate", "test", "setup", "bug_matrix.py"} <= programs
