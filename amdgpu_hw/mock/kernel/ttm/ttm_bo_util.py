# SPDX-License-Identifier: MIT
"""How a buffer's memory changes hands while it is in use: ttm_bo_util.c."""

from __future__ import annotations

import errno
from functools import partial

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DMA_RESV_USAGE_KERNEL
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import take_resource, ttm_bo_assign_mem, when_signaled
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import (
    TTM_PL_FLAG_TEMPORARY,
    TTM_PL_SYSTEM,
    TTM_PL_TT,
    TtmPlace,
    TtmResource,
    ttm_resource_free,
)
from amdgpu_hw.mock.kernel.ttm.types import TtmBufferObject, TtmOperationCtx
from amdgpu_hw.mock.kernel.wait import Blocking

__all__ = ("ttm_bo_move_accel_cleanup", "ttm_bo_pipeline_gutting", "ttm_lru_walk_ticketlock")


def ttm_bo_pipeline_gutting(bo: TtmBufferObject) -> None:
    """Take a buffer's memory away together with its content; what is in flight can still use it.

    Leaves out: the page vector.
    """
    bo.bdev.throw_away(bo)
    old = take_resource(bo)
    when_signaled(list(bo.resv.iter(DMA_RESV_USAGE_BOOKKEEP)), partial(ttm_resource_free, bo, old))
    resource = bo.bdev.managers[TTM_PL_SYSTEM].alloc(bo.size, TtmPlace(TTM_PL_SYSTEM, TTM_PL_FLAG_TEMPORARY))
    assert resource is not None, "a temporary resource may overdraw its manager"
    ttm_bo_assign_mem(bo, resource)


def ttm_bo_move_accel_cleanup(bo: TtmBufferObject, fence: DmaFence, evict: bool, new: TtmResource) -> None:
    """Finish a move that the GPU makes, when ``fence`` signals.

    An eviction frees the old memory at once: whoever gets it waits for the manager's move fence. Otherwise it is
    held until then, as by the kernel's ghost object.

    Leaves out: moves that must not be pipelined.
    """
    bo.resv.add_fence(fence, DMA_RESV_USAGE_KERNEL)
    old = take_resource(bo)
    manager = bo.bdev.managers[old.mem_type]
    if evict and old.mem_type != TTM_PL_TT:
        manager.move = fence
        manager.free(old)
    else:
        when_signaled([fence], partial(manager.free, old))
    ttm_bo_assign_mem(bo, new)


def ttm_lru_walk_ticketlock(bo: TtmBufferObject, ctx: TtmOperationCtx) -> Blocking[None]:
    """Sleep for a buffer's lock; ENOSPC instead of a deadlock: who came later does not wait (wait-die ww-mutex)."""
    if 0 < bo.resv.ticket < ctx.ticket:
        raise KernelError(errno.ENOSPC, "an older submission has locked the buffer")
    yield from bo.resv.lock(ctx.interruptible)
    bo.resv.ticket = ctx.ticket
