# SPDX-License-Identifier: MIT
"""The syncobjs that a gang signals get the fence of its first job, not that of its leader.

amdgpu_cs_post_dependencies from before gangs, with `p->jobs[0]`; the leader is the job of the last IB. While the leader
still runs, or waits, a wait for the syncobj or the point is over as soon as the other member is done.
"""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_submit
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_add_point, drm_syncobj_replace_fence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O76",))


@replaces(amdgpu_cs_submit)
def submit(original: Original, p: AmdgpuCsParser, locked: Sequence[DmaResv]) -> int:
    post_deps, p.post_deps = p.post_deps, None
    try:
        sequence: int = original(p, locked)
    finally:
        p.post_deps = post_deps
    fence = p.jobs[0].s_fence
    for syncobj, point in post_deps or ():
        if point:
            drm_syncobj_add_point(syncobj, fence, point)
        else:
            drm_syncobj_replace_fence(syncobj, fence)
    return sequence
