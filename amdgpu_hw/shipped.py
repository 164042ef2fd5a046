# SPDX-License-Identifier: MIT
"""Where the suite and the expectations are that come with this package.

They are packages of it: installed, they lie in it; in a checkout they are tests/hw and expectations/ (setup.py).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from amdgpu_hw.errors import HarnessError

__all__ = ("EXPECTATIONS", "expectations_directory", "suite_directory")

EXPECTATIONS = Path("amdgpu_hw.expectations")
"""Stands for `expectations_directory` where a directory is asked for."""


def suite_directory() -> Path:
    """The tests that `amdgpu-hw validate` runs. Raises `HarnessError` if they are not installed."""
    return _directory("suite")


def expectations_directory() -> Path:
    """What is known of kernels and GPUs. Raises `HarnessError` if it is not installed."""
    return _directory("expectations")


def _directory(name: str) -> Path:
    spec = find_spec(f"amdgpu_hw.{name}")
    if spec is None or not spec.submodule_search_locations:
        raise HarnessError(
            f"amdgpu_hw.{name} is not installed: install this package (pip install, or scripts/setup in a checkout)"
        )
    return Path(spec.submodule_search_locations[0])
