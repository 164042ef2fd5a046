# SPDX-License-Identifier: MIT
"""GEM_WAIT_IDLE waits for those that write to a buffer, not for those that read: members of gangs, imported readers.

The conversion of amdgpu_gem_wait_idle_ioctl from `wait_all` to usages, with the helper of the wrong sense:
dma_resv_usage_rw(false) is what a reader waits for.
"""

from __future__ import annotations

from collections.abc import Callable

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem import gem
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import dma_resv_usage_rw
from amdgpu_hw.mock.planting import Bug, Change

BUG = Bug(caught_by=("O77",))

_NAME = "DMA_RESV_USAGE_READ"


class _WhatReadersWaitFor(Change):
    """The ioctl is kept by a table; nothing else in its module looks at this constant."""

    def plant(self) -> Callable[[], None]:
        sound = vars(gem)[_NAME]
        setattr(gem, _NAME, dma_resv_usage_rw(write=False))

        def lift() -> None:
            setattr(gem, _NAME, sound)

        return lift


WAIT_IDLE = _WhatReadersWaitFor()
