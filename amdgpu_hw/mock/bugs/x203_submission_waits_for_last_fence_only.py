# SPDX-License-Identifier: MIT
"""Of the syncobjs, points or submissions that a chunk names a submission waits for the last one only."""

from __future__ import annotations

from collections.abc import Iterator

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import _records
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O52",))


@replaces(_records)
def records(original: Original, layout: str, kdata: bytes) -> Iterator[tuple[int, ...]]:
    return iter(list(original(layout, kdata))[-1:])
