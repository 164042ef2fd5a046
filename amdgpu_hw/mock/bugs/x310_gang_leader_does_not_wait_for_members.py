# SPDX-License-Identifier: MIT
"""The leader of a gang does not wait until its members have started: the submission is done before they are.

What a job was told to wait for once its fences had been pushed to it was lost: amdgpu_cs_submit added the members'
scheduled fences too late. Mended between 6.1 and 6.12.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmSchedJob
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O73",))


@replaces(DrmSchedJob.add_dependency)
def add_dependency(original: Original, self: DrmSchedJob, fence: DmaFence | None) -> None:
    is_armed = self.s_fence.sched is not None
    if not is_armed:
        original(self, fence)
