# SPDX-License-Identifier: MIT
"""What a buffer has of a heap, and how it changes hands: ttm_bo_util.c, and the ends of buffers from ttm_bo.c."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from functools import partial

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, wait_for_all_fences
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DMA_RESV_USAGE_KERNEL
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.ttm.ttm_resource import (
    TTM_PL_FLAG_TEMPORARY,
    TTM_PL_SYSTEM,
    TTM_PL_TT,
    TtmLruBulkMove,
    TtmPlace,
    TtmResource,
)
from amdgpu_hw.mock.kernel.ttm.types import NO_RESOURCE, TtmBufferObject, TtmOperationCtx
from amdgpu_hw.mock.kernel.wait import Blocking

__all__ = (
    "put_resource",
    "ttm_bo_assign_mem",
    "ttm_bo_move_accel_cleanup",
    "ttm_bo_move_null",
    "ttm_bo_move_to_lru_tail",
    "ttm_bo_pipeline_gutting",
    "ttm_bo_release",
    "ttm_bo_set_bulk_move",
    "ttm_bo_wait_ctx",
    "wait_until_signaled",
)

_WAIT_NS = 15_000_000_000


# -- resources ----------------------------------------------------------------------------------------------------


def put_resource(bo: TtmBufferObject) -> None:
    """Give back what a buffer has."""
    if bo.resource is not NO_RESOURCE:
        _ttm_resource_free(bo, take_resource(bo))


def take_resource(bo: TtmBufferObject) -> TtmResource:
    """Part a buffer from its resource, which is not free yet."""
    resource = bo.resource
    bo.bdev.managers[resource.mem_type].lru_del(bo)
    bo.resource = NO_RESOURCE
    return resource


def _ttm_resource_free(bo: TtmBufferObject, resource: TtmResource) -> None:
    """Give a resource that a buffer had back (ttm_resource_free)."""
    bo.bdev.managers[resource.mem_type].free(resource)
    bo.bdev.resource_freed(bo, resource)


def _when_signaled(fences: list[DmaFence], function: Callable[[], None]) -> None:
    """Call a function when all fences, which are used up, have signalled; at once if they have."""
    while fences:
        if fences[-1].add_callback(lambda _fence: _when_signaled(fences, function)):
            return
        fences.pop()
    function()


def ttm_bo_assign_mem(bo: TtmBufferObject, resource: TtmResource) -> None:
    """Give a buffer without a resource a new one."""
    bo.resource = resource
    bo.bdev.managers[resource.mem_type].lru_add(bo)
    bo.bdev.resource_assigned(bo)


def ttm_bo_move_null(bo: TtmBufferObject, new: TtmResource) -> None:
    """Exchange resources where there is nothing to copy: the pages stay, or there were none."""
    put_resource(bo)
    ttm_bo_assign_mem(bo, new)


def ttm_bo_move_to_lru_tail(bos: Iterable[TtmBufferObject]) -> None:
    """Note that buffers are being used; one that is part of a group counts only with the whole group."""
    for bo in bos:
        lru = bo.lru
        if lru is not None:
            lru.move_to_end(bo)


def ttm_bo_set_bulk_move(bo: TtmBufferObject, bulk: TtmLruBulkMove | None) -> None:
    """Make a buffer part of a group, or of none."""
    if bo.bulk_move is bulk:
        return
    manager = bo.bdev.managers.get(bo.resource.mem_type)
    if manager is not None:
        manager.lru_del(bo)
    bo.bulk_move = bulk
    if manager is not None:
        manager.lru_add(bo)


# -- moving and going ---------------------------------------------------------------------------------------------


def ttm_bo_wait_ctx(bo: TtmBufferObject, ctx: TtmOperationCtx) -> Blocking[None]:
    """Sleep until nothing uses a buffer; EBUSY after 15 s."""
    yield from wait_until_signaled(bo, list(bo.resv.iter(DMA_RESV_USAGE_BOOKKEEP)), ctx)


def wait_until_signaled(bo: TtmBufferObject, fences: list[DmaFence], ctx: TtmOperationCtx) -> Blocking[None]:
    """Sleep until fences have signalled; EBUSY after 15 s."""
    if all(fence.signaled for fence in fences):
        return
    deadline = bo.bdev.now() + _WAIT_NS
    if not (yield from wait_for_all_fences(tuple(fences), ctx.interruptible, deadline)):
        raise KernelError(errno.EBUSY, "the buffer does not become idle")


def ttm_bo_pipeline_gutting(bo: TtmBufferObject) -> None:
    """Take a buffer's memory away together with its content; what is in flight can still use it."""
    bo.bdev.throw_away(bo)
    old = take_resource(bo)
    _when_signaled(list(bo.resv.iter(DMA_RESV_USAGE_BOOKKEEP)), partial(_ttm_resource_free, bo, old))
    resource = bo.bdev.managers[TTM_PL_SYSTEM].alloc(bo.size, TtmPlace(TTM_PL_SYSTEM, TTM_PL_FLAG_TEMPORARY))
    assert resource is not None, "a temporary resource may overdraw its manager"
    ttm_bo_assign_mem(bo, resource)


def ttm_bo_move_accel_cleanup(bo: TtmBufferObject, fence: DmaFence, evict: bool, new: TtmResource) -> None:
    """Finish a move that the GPU makes, when ``fence`` signals.

    An eviction frees the old memory at once: whoever gets it waits for the manager's move fence. Otherwise it is
    held until then, as by the kernel's ghost object.
    """
    bo.resv.add_fence(fence, DMA_RESV_USAGE_KERNEL)
    old = take_resource(bo)
    manager = bo.bdev.managers[old.mem_type]
    if evict and old.mem_type != TTM_PL_TT:
        manager.move = fence
        manager.free(old)
    else:
        _when_signaled([fence], partial(manager.free, old))
    ttm_bo_assign_mem(bo, new)


def ttm_bo_release(bo: TtmBufferObject, pending: list[DmaFence]) -> None:
    """Give the memory of a dead buffer back when the last of ``pending`` has signalled (ttm_bo_delayed_delete).

    Until then it stands in its LRU: whoever needs its memory waits for it.
    """
    bo.resv = bo._resv
    bo.deleted = True
    bo.pending = pending
    _when_signaled(pending, partial(_ttm_bo_delayed_delete, bo))


def _ttm_bo_delayed_delete(bo: TtmBufferObject) -> None:
    put_resource(bo)
    bo.bdev.released(bo)
