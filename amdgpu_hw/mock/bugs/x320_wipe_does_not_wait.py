# SPDX-License-Identifier: MIT
"""The memory of a closed buffer in VRAM is wiped at once, whatever jobs still read it.

amdgpu_bo_release_notify; between 6.1 and 6.12 it began to look at the buffer's own reservation object, where the fences
have been copied to by then.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo, amdgpu_bo_release_notify
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B39", "O79"))


@replaces(amdgpu_bo_release_notify)
def release_notify(original: Original, bo: AmdgpuBo, pending: list[DmaFence]) -> DmaFence | None:
    fence: DmaFence | None = original(bo, [])
    return fence
