# SPDX-License-Identifier: MIT
"""Tests can be run from any folder; the cases, which run on mock machines, say so to whoever names them himself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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


@pytest.fixture(scope="session", autouse=True)
def _at_the_root() -> Iterator[None]:
    """Programs that tests start import `tests`, which Python finds from here, wherever pytest was started."""
    with chdir(ROOT):
        yield


@pytest.fixture
def lifted() -> Iterator[list[Callable[[], None]]]:
    """Whatever a test plants is lifted: the list takes what `plant` returned."""
    lifts: list[Callable[[], None]] = []
    yield lifts
    for lift in reversed(lifts):
        lift()
