# SPDX-License-Identifier: MIT
"""What the tests share: one tile of sparse memory, in the three ways that it can be backed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.address_space import SyncOptions
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.suite import load_suite

TILE = 64 * KiB
"""The tile of Vulkan and D3D12 sparse resources."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the tests here a suite, with what comes with it."""
    load_suite(config, Path(__file__).parent)


@pytest.fixture
def eventfd() -> Iterator[int]:
    """A descriptor of an eventfd; reading one that was told nothing does not block."""
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    yield fd
    os.close(fd)


@pytest.fixture
def always_valid(gpu: Gpu) -> Buffer:
    """A buffer that belongs to the address space: explicit sync may unmap it.

    In GTT, as all buffers here: creating VRAM queues a clear job, for which explicit updates wait too
    (KERNEL.md E2).
    """
    return gpu.alloc(TILE, always_valid=True)


@pytest.fixture
def ordinary(gpu: Gpu) -> Buffer:
    """A buffer that could be freed while the GPU uses it: explicit sync must not unmap it."""
    return gpu.alloc(TILE)


@pytest.fixture
def gpu_view(gpu: Gpu) -> GpuView:
    """What the GPU sees at an address."""
    return GpuView(gpu)


@pytest.fixture(params=["plain", "explicit"])
def sync(request: pytest.FixtureRequest, gpu: Gpu) -> SyncOptions:
    """For tests that must end the same with AMDGPU_VM_EXPLICIT_SYNC and without, on kernels that know the flag."""
    if request.param == "plain":
        return {}
    if not gpu.capabilities.explicit_sync:
        raise NotTestable(f"needs explicit sync; {gpu.capabilities.explicit_sync.why}", missing="explicit_sync")
    return {"explicit_sync": True}
