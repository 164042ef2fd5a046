# SPDX-License-Identifier: MIT
"""A SCHEDULED_DEPENDENCIES chunk makes a submission wait until the other one is done, not until it is on its ring.

amdgpu_cs_pass2 gives both chunks to amdgpu_cs_p2_dependencies, which no longer takes the scheduled fence out of the
job's fence. Two submissions that have to run beside each other, the first until the second says so, never end.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser, _amdgpu_cs_p2_dependencies
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O87",))


@replaces(_amdgpu_cs_p2_dependencies)
def dependencies(original: Original, p: AmdgpuCsParser, kdata: bytes, scheduled: bool) -> None:
    original(p, kdata, scheduled=False)
