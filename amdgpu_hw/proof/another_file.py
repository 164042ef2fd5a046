# SPDX-License-Identifier: MIT
"""Another open file of the GPU: an address space of its own in this process, whatever libdrm does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from amdgpu_hw.gpu import Gpu

__all__ = ("another_file",)


@contextmanager
def another_file(gpu: Gpu) -> Iterator[int]:
    """The descriptor of one, for raw ioctls."""
    descriptor = os.open(gpu.identity.node, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
