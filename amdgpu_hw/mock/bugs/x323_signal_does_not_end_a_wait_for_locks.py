# SPDX-License-Identifier: MIT
"""No signal ends GEM_VA while it waits for a lock.

Calls that lock one buffer with amdgpu_bo_reserve and others take their locks with DRM_EXEC_INTERRUPTIBLE_WAIT since 6.6
(GEM_VA, CS) and 7.3 (amdgpu_gem_op_ioctl).
"""

from __future__ import annotations

from collections.abc import Iterable

from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.kernel.drm.drm_exec import lock_all
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O23",))


@replaces(lock_all)
def lock_uninterruptibly(
    original: Original, resvs: Iterable[DmaResv], interruptible: bool
) -> Blocking[tuple[DmaResv, ...]]:
    return (yield from original(resvs, interruptible=False))
