# SPDX-License-Identifier: MIT
"""A buffer and the memory it has: given, taken, noted as used, waited for (ttm_bo.c)."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import wait_for_all_fences
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import ttm_resource_free
from amdgpu_hw.mock.kernel.ttm.types import NO_RESOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
    from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TtmLruBulkMove, TtmResource
    from amdgpu_hw.mock.kernel.ttm.types import TtmBufferObject, TtmOperationCtx
    from amdgpu_hw.mock.kernel.wait import Blocking

__all__ = (
    "put_resource",
    "take_resource",
    "ttm_bo_assign_mem",
    "ttm_bo_move_null",
    "ttm_bo_move_to_lru_tail",
    "ttm_bo_release",
    "ttm_bo_set_bulk_move",
    "ttm_bo_wait_ctx",
    "wait_until_signaled",
    "when_signaled",
)


_WAIT_NS = 15_000_000_000


def ttm_bo_assign_mem(bo: TtmBufferObject, resource: TtmResource) -> None:
    """Give a buffer without a resource a new one."""
    bo.resource = resource
    bo.bdev.managers[resource.mem_type].lru_add(bo)
    bo.bdev.resource_assigned(bo)


def take_resource(bo: TtmBufferObject) -> TtmResource:
    """Part a buffer from its resource, which is not free yet."""
    resource = bo.resource
    bo.bdev.managers[resource.mem_type].lru_del(bo)
    bo.resource = NO_RESOURCE
    return resource


def put_resource(bo: TtmBufferObject) -> None:
    """Give back what a buffer has."""
    if bo.resource is not NO_RESOURCE:
        ttm_resource_free(bo, take_resource(bo))


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


def ttm_bo_wait_ctx(bo: TtmBufferObject, ctx: TtmOperationCtx) -> Blocking[None]:
    """Sleep until nothing uses a buffer; EBUSY after 15 s.

    Leaves out: EBUSY at once for callers that must not wait.
    """
    yield from wait_until_signaled(bo, list(bo.resv.iter(DMA_RESV_USAGE_BOOKKEEP)), ctx)


def wait_until_signaled(bo: TtmBufferObject, fences: list[DmaFence], ctx: TtmOperationCtx) -> Blocking[None]:
    """Sleep until fences have signalled; EBUSY after 15 s."""
    if all(fence.signaled for fence in fences):
        return
    deadline = bo.bdev.now() + _WAIT_NS
    if not (yield from wait_for_all_fences(tuple(fences), ctx.interruptible, deadline)):
        raise KernelError(errno.EBUSY, "the buffer does not become idle")


def when_signaled(fences: list[DmaFence], function: Callable[[], None]) -> None:
    """Call a function when all fences, which are used up, have signalled; at once if they have."""
    while fences:
        if fences[-1].add_callback(lambda _fence: when_signaled(fences, function)):
            return
        fences.pop()
    function()


def ttm_bo_release(bo: TtmBufferObject, pending: list[DmaFence]) -> None:
    """Give the memory of a dead buffer back when the last of ``pending`` has signalled (ttm_bo_delayed_delete).

    Until then it stands in its LRU: whoever needs its memory waits for it.

    Leaves out: waiting in a worker: the last fence's callback frees the memory.
    """
    bo.resv = bo._resv
    bo.deleted = True
    bo.pending = pending
    when_signaled(pending, partial(_ttm_bo_delayed_delete, bo))


def _ttm_bo_delayed_delete(bo: TtmBufferObject) -> None:
    put_resource(bo)
    bo.bdev.released(bo)
