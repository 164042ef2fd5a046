# SPDX-License-Identifier: MIT
"""What the cases are about: one open GPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amdgpu_hw import Gpu, open_gpu
from amdgpu_hw.measure.calls import NumberedContext


@pytest.fixture
def gpu() -> Iterator[Gpu]:
    """The machine's GPU."""
    with open_gpu() as opened:
        yield opened


@pytest.fixture
def context(gpu: Gpu) -> Iterator[NumberedContext]:
    """A context for submissions made in C."""
    with NumberedContext(gpu) as made:
        yield made
