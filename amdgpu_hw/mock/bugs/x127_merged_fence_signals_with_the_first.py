# SPDX-License-Identifier: MIT
"""A fence that stands for several has signalled when the first of them has."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_array import DmaFenceArray
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B30",))


@replaces(DmaFenceArray._fence_signaled)
def fence_signaled(original: Original, self: DmaFenceArray, _fence: DmaFence) -> None:
    if not self.signaled:
        self._pending = 1
        original(self, _fence)
