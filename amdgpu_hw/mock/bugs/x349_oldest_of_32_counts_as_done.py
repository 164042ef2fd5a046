# SPDX-License-Identifier: MIT
"""The oldest of 32 submissions in flight counts as done: whoever waits for it does not.

amdgpu_ctx_get_fence gives no fence for what must have left the ring of 32; with `<=` in place of `<` that begins one
submission too early, at the one that the next submission will wait for.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtxEntity, amdgpu_ctx_get_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import SCHED_JOBS
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O86",))


@replaces(amdgpu_ctx_get_fence)
def get_fence(original: Original, centity: AmdgpuCtxEntity, sequence: int) -> DmaFence | None:
    fence: DmaFence | None = original(centity, sequence)
    return None if sequence + SCHED_JOBS == centity.sequence else fence
