# SPDX-License-Identifier: MIT
"""What makes the tests of a directory a suite: its conftest.py calls `load_suite`.

def pytest_configure(config):
    load_suite(config, Path(__file__).parent)

The fixtures, the marker and the verdict come with the first suite of a session.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from amdgpu_hw.options.suite import PREFIX, SessionOptions
from amdgpu_hw.proof import fixtures
from amdgpu_hw.proof.behaviour import MARKER
from amdgpu_hw.proof.collector import Collector

__all__ = ("load_suite",)

_SUITES = pytest.StashKey[list[Path]]()


def load_suite(config: pytest.Config, directory: Path) -> None:
    """Take the tests below a directory for a suite. Raises `pytest.UsageError` if the options are not there."""
    if _SUITES not in config.stash:
        config.stash[_SUITES] = []
        _load_plugins(config)
    config.stash[_SUITES].append(directory)


def _load_plugins(config: pytest.Config) -> None:
    if not hasattr(config.option, SessionOptions.spelled("timeout", PREFIX).lstrip("-").replace("-", "_")):
        raise pytest.UsageError(
            "tests of behaviour need the options of the plugin amdgpu_hw, which is switched off: add -p "
            "amdgpu_hw.pytest_plugin"
        )
    config.addinivalue_line("markers", f"{MARKER}(value): what the test proves; use amdgpu_hw.proof.behaviour")
    config.pluginmanager.register(fixtures, "amdgpu_hw fixtures")
    config.pluginmanager.register(Collector(config), "amdgpu_hw verdict")
