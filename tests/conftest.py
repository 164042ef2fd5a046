# SPDX-License-Identifier: MIT
"""How the tests are spread over processes (pytest-xdist, ``--dist loadgroup``): a module is run by one of them."""

from __future__ import annotations

import pytest

BOOTS = "guest"
"""The group of the tests that boot guest machines: one after the other, as each keeps several processors busy."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep modules together, as their fixtures are made once; begin with what takes longest."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: _group(item) != BOOTS)


def _group(item: pytest.Item) -> str:
    marker = item.get_closest_marker("xdist_group")
    return marker.args[0] if marker is not None else ""
