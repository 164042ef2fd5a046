# SPDX-License-Identifier: MIT
"""Says how the cases are run, to whoever names them himself."""

from __future__ import annotations

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a folder `cases` outside a mock machine: its files are programs that the tests beside it run on some."""
    if "AMDGPU_HW_MOCK" in os.environ:
        return
    here = config.invocation_params.dir
    for argument in config.args:
        path = here / argument.partition("::")[0]
        for folder in (path, *path.parents):
            if folder.name == "cases":
                tests = os.path.relpath(folder.parent, here)
                raise pytest.UsageError(f"{argument} has to run on a mock machine, which pytest {tests} makes for it")
