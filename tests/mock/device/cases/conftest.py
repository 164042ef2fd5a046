# SPDX-License-Identifier: MIT
"""What the cases share: an open GPU and a shut gate."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from amdgpu_hw import Gpu, open_gpu
from tests.mock.device.cases.gates import Gate


@pytest.fixture
def gpu() -> Iterator[Gpu]:
    """The machine's first GPU."""
    with open_gpu() as opened:
        yield opened


@pytest.fixture
def gate(gpu: Gpu) -> Iterator[Gate]:
    """A shut gate, opened at the latest at the end of the test."""
    shut = Gate(gpu)
    yield shut
    shut.close()


@pytest.fixture
def kernel() -> str:
    """The name of the kernel variant."""
    return os.environ["CASE_KERNEL"]


@pytest.fixture
def machine_gpus() -> list[str]:
    """The names of the machine's GPUs."""
    return os.environ["CASE_GPUS"].split()
