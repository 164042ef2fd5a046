# SPDX-License-Identifier: MIT
"""A submission does not wait for those of its DEPENDENCIES that its own context has submitted, also to another ring.

amdgpu_cs_p2_dependencies from when a context was one queue: "its jobs are in order anyway". Who copies on SDMA and
names that job as the dependency of one on a compute ring, in one context, reads what was there before the copy.
"""

from __future__ import annotations

import struct

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser, _amdgpu_cs_p2_dependencies, _records
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import amdgpu_ctx_get
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O52",))


_LAYOUT = "<IIIIQ"


@replaces(_amdgpu_cs_p2_dependencies)
def dependencies(original: Original, p: AmdgpuCsParser, kdata: bytes, scheduled: bool) -> None:
    if scheduled:
        original(p, kdata, scheduled)
        return
    sync, p.sync = p.sync, AmdgpuSync()
    original(p, kdata, scheduled)  # which has refused what is wrong
    p.sync = sync
    others = [record for record in _records(_LAYOUT, kdata) if amdgpu_ctx_get(p.fpriv, record[3]) is not p.ctx]
    original(p, b"".join(struct.pack(_LAYOUT, *record) for record in others), scheduled)
