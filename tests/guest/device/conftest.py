# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Iterator

import pytest

from .rig import Rig, a_rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A Vega10 whose hubs and interrupts are on."""
    with a_rig() as made:
        yield made
