# SPDX-License-Identifier: MIT
"""The Python packages that only measuring needs: installed by the first command that needs them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import amdgpu_hw
from amdgpu_hw.errors import HarnessError

__all__ = ("require_packages",)

_NEEDED = ("numpy", "scipy", "matplotlib")


def require_packages() -> None:
    """Make sure that measurements can be taken and read.

    In a clone with the .venv of scripts/setup the packages are installed, after saying so; elsewhere it is the user's
    environment, and nothing is installed into it.

    Raises:
        HarnessError: They are missing; the message says how to install them.

    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if not missing:
        return
    clone = Path(amdgpu_hw.__file__).resolve().parents[1]
    setup = clone / "scripts" / "setup"
    if not setup.is_file() or Path(sys.prefix).resolve() != clone / ".venv":
        raise HarnessError(
            f"measuring needs {', '.join(missing)}: install them with pip install 'amdgpu-hw[measure]', or run this "
            "from a clone that scripts/setup has set up"
        )
    print(f"Measuring needs {', '.join(missing)}: installing them into .venv, once.", file=sys.stderr, flush=True)
    if subprocess.run([setup, "measure"], check=False).returncode != 0:
        raise HarnessError(f"{', '.join(missing)} could not be installed; see the messages above")
    importlib.invalidate_caches()
