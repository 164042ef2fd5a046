# SPDX-License-Identifier: MIT
"""Of the syncobjs that a submission signals the first alone gets its fence."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser, _collect_post_deps
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O53",))


@replaces(_collect_post_deps)
def collect(original: Original, p: AmdgpuCsParser, records: Iterable[tuple[int, int]]) -> None:
    original(p, islice(records, 1))
