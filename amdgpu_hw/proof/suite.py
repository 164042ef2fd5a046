# SPDX-License-Identifier: MIT
"""What makes the tests of a directory a suite: its conftest.py calls `load_suite`.

def pytest_configure(config):
    load_suite(config, Path(__file__).parent)

The fixtures, the marker and the verdict come with the first suite of a session; the rows of each are in its rows.toml.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.options.suite import PREFIX, SessionOptions
from amdgpu_hw.proof import fixtures
from amdgpu_hw.proof.behaviour import MARKER
from amdgpu_hw.proof.collector import Collector
from amdgpu_hw.proof.declarations import Suites
from amdgpu_hw.proof.progress import Progress
from amdgpu_hw.proof.rerun import Rerun
from amdgpu_hw.proof.rows import load_rows

__all__ = ("ROWS_FILE", "load_suite")

ROWS_FILE = "rows.toml"

_SUITES = pytest.StashKey[Suites]()


def load_suite(config: pytest.Config, directory: Path) -> None:
    """Take the tests below a directory for a suite. Raises `pytest.UsageError` if it has no table of rows."""
    suites = config.stash.get(_SUITES, None)
    if suites is None:
        suites = config.stash[_SUITES] = Suites()
        _load_plugins(config, suites)
    try:
        suites.add(directory, load_rows(directory / ROWS_FILE))
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None


def _load_plugins(config: pytest.Config, suites: Suites) -> None:
    if not hasattr(config.option, SessionOptions.spelled("timeout", PREFIX).lstrip("-").replace("-", "_")):
        raise pytest.UsageError(
            "tests of behaviour need the options of the plugin amdgpu_hw, which is switched off: add -p "
            "amdgpu_hw.pytest_plugin"
        )
    config.addinivalue_line("markers", f"{MARKER}(value): what the test proves; use amdgpu_hw.proof.behaviour")
    config.pluginmanager.register(fixtures, "amdgpu_hw fixtures")
    config.pluginmanager.register(Collector(config, suites), "amdgpu_hw verdict")
    config.pluginmanager.register(Progress(config), "amdgpu_hw progress")
    config.pluginmanager.register(Rerun(config), "amdgpu_hw rerun")
