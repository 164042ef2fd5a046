# SPDX-License-Identifier: MIT
"""Boxes on this machine that are reached by ssh."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback.lab import Lab, missing_programs


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab of this module; its boxes go when it ends."""
    assert missing_programs() == [], "scripts/setup test installs them"
    with Lab() as made:
        yield made
