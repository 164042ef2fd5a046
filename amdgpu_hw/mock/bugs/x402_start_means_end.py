# SPDX-License-Identifier: MIT
"""A submission that waits for another's start waits for its end.

AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES and AMDGPU_CHUNK_ID_DEPENDENCIES share amdgpu_cs_p2_dependencies.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser, _amdgpu_cs_p2_dependencies
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O96",))


@replaces(_amdgpu_cs_p2_dependencies)
def dependencies(original: Original, p: AmdgpuCsParser, kdata: bytes, scheduled: bool) -> None:
    original(p, kdata, scheduled=False)
