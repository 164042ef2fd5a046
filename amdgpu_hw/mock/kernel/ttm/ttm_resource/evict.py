# SPDX-License-Identifier: MIT
"""Emptying a manager (ttm_resource_manager_evict_all of ttm_resource.c): the part of it that needs `ttm_bo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.ttm.ttm_bo.validate import evict_locked
from amdgpu_hw.mock.kernel.ttm.types import TtmOperationCtx

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TtmResourceManager
    from amdgpu_hw.mock.kernel.ttm.types import TtmDevice
    from amdgpu_hw.mock.kernel.wait import Blocking

__all__ = ("ttm_resource_manager_evict_all",)


def ttm_resource_manager_evict_all(bdev: TtmDevice, manager: TtmResourceManager) -> Blocking[None]:
    """Evict every buffer of a manager that can be evicted; the first failure ends it.

    Leaves out: waiting for the last evictions at the end.
    """
    ctx = TtmOperationCtx(interruptible=False)
    for bo in manager.lru_walk():
        if bo.resource.mem_type == manager.mem_type and not bo.pin_count:
            yield from evict_locked(bo, ctx, bo.resv.trylock())
