# SPDX-License-Identifier: MIT
"""How the tests are spread over processes: a module is run by one of them, and guests by one alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scheduling import ModuleScheduling


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ModuleScheduling:
    """The scheduler of a run in several processes; without pytest-xdist there is one."""
    from tests.scheduling import ModuleScheduling

    return ModuleScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the guests, which take longest."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/guest/machine/"))
