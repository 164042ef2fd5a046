# SPDX-License-Identifier: MIT
"""How the tests are spread over processes: a module is run by one of them, and guests by one alone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests import BOOTING

if TYPE_CHECKING:
    from tests.scheduling import ModuleScheduling


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C be a signal as any: a script's background jobs are started without it, and so is what tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ModuleScheduling:
    """The scheduler of a run in several processes; without pytest-xdist there is one."""
    from tests.scheduling import ModuleScheduling

    return ModuleScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the guests, which take longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(BOOTING))
