# SPDX-License-Identifier: MIT
"""A fence that stands for several says that all went well, also if one of them has failed.

dma_fence_array_set_pending_error keeps the first error of its fences for when the array signals; lost with the change
to arrays that look at their fences themselves.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence_array import DmaFenceArray
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O80",))


@replaces(DmaFenceArray._finish)
def finish(original: Original, self: DmaFenceArray) -> None:
    self._armed = True
    self.signal()
