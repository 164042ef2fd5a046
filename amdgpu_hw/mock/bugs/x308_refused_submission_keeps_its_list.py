# SPDX-License-Identifier: MIT
"""A submission that is refused keeps its list of buffers.

Until amdgpu_cs_pass1 refused a second user fence, between 6.1 and 6.12, the buffer of the first one leaked. This is the
same of the list, whose buffers are as large as one likes.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O72",))


@replaces(AmdgpuCsParser.fini)
def fini(original: Original, self: AmdgpuCsParser, *, killed: bool) -> Blocking[None] | None:
    was_pushed = bool(self.jobs) and self.gang_leader.entity is None
    if not was_pushed:
        self.bo_list = None
    blocking: Blocking[None] | None = original(self, killed=killed)
    return blocking
