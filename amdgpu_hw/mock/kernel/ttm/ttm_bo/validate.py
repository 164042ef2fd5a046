# SPDX-License-Identifier: MIT
"""Buffers that memory is found for, and taken from again: ttm_bo.c.

What needs no eviction is a plain call. Evicting may sleep: until a buffer is idle whose pages go out of the GPU's
reach, until a dead buffer gives its memory back, and, in a submission, for the lock of a buffer.
"""

from __future__ import annotations

import errno

from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_KERNEL
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import ttm_bo_wait_ctx, wait_until_signaled
from amdgpu_hw.mock.kernel.ttm.ttm_bo_util import ttm_bo_pipeline_gutting, ttm_lru_walk_ticketlock
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import (
    TTM_PL_FLAG_DESIRED,
    TTM_PL_FLAG_FALLBACK,
    TTM_PL_SYSTEM,
    TtmPlace,
    TtmResource,
    TtmResourceManager,
    ttm_resource_compatible,
)
from amdgpu_hw.mock.kernel.ttm.types import TtmBufferObject, TtmOperationCtx
from amdgpu_hw.mock.kernel.wait import Blocking

__all__ = ("evict_locked", "try_alloc", "ttm_bo_evict", "ttm_bo_mem_space", "ttm_bo_validate")


# -- finding room -------------------------------------------------------------------------------------------------


def try_alloc(bo: TtmBufferObject, places: list[TtmPlace]) -> TtmResource | None:
    """Find a resource without evicting anything: the first of `ttm_bo_alloc_resource`'s two rounds."""
    for place in places:
        manager = bo.bdev.managers.get(place.mem_type)
        if manager is None or place.flags & TTM_PL_FLAG_FALLBACK:
            continue
        resource = manager.alloc(bo.size, place)
        if resource is not None:
            _ttm_bo_add_move_fence(bo, manager)
            return resource
    return None


def _alloc_evicting(bo: TtmBufferObject, places: list[TtmPlace], ctx: TtmOperationCtx) -> Blocking[TtmResource | None]:
    """Find a resource, evicting others where it must: the second round."""
    for place in places:
        manager = bo.bdev.managers.get(place.mem_type)
        if manager is None or place.flags & TTM_PL_FLAG_DESIRED:
            continue
        resource = manager.alloc(bo.size, place)
        if resource is None and place.mem_type != TTM_PL_SYSTEM:
            resource = yield from _ttm_bo_evict_alloc(bo, manager, place, ctx)
        if resource is not None:
            _ttm_bo_add_move_fence(bo, manager)
            return resource
    return None


def ttm_bo_mem_space(bo: TtmBufferObject, places: list[TtmPlace], ctx: TtmOperationCtx) -> Blocking[TtmResource]:
    """Find a resource in one of the places; ENOSPC when there is none, also not by evicting others."""
    resource = try_alloc(bo, places)
    if resource is None:
        resource = yield from _alloc_evicting(bo, places, ctx)
    if resource is None:
        raise KernelError(errno.ENOSPC, f"no room for {bo.size:#x} bytes")
    return resource


def _ttm_bo_add_move_fence(bo: TtmBufferObject, manager: TtmResourceManager) -> None:
    """Make the buffer wait for the evictions that have freed its memory.

    Leaves out: callers that must not wait; Linux 7.3 has several such fences, one for each entity that moves.
    """
    if manager.move is not None and not manager.move.signaled:
        bo.resv.add_fence(manager.move, DMA_RESV_USAGE_KERNEL)


def _ttm_bo_evict_alloc(
    evictor: TtmBufferObject, manager: TtmResourceManager, place: TtmPlace, ctx: TtmOperationCtx
) -> Blocking[TtmResource | None]:
    """Evict, the least recently used first, until there is room; with a ticket also what others have locked.

    Leaves out: (since 6.14) the limits of the dmem cgroup.
    """
    sleeping = False
    while True:
        evicted, may_sleep = 0, sleeping
        for bo in manager.lru_walk():
            if bo.pin_count or not manager.intersects(bo.resource, place):
                continue
            locked = bo.resv.trylock(ctx.ticket)
            if not locked and may_sleep and bo.resv.ticket != ctx.ticket:
                yield from ttm_lru_walk_ticketlock(bo, ctx)
                locked = True
                may_sleep = False  # once for each walk
            if bo.resource.mem_type != manager.mem_type:
                # It went away while we slept.
                if locked:
                    bo.resv.unlock()
                continue
            if (yield from evict_locked(bo, ctx, locked)):
                evicted += 1
                resource = manager.alloc(evictor.size, place)
                if resource is not None:
                    return resource
        if not ctx.ticket or (sleeping and not evicted):
            return None
        sleeping = True


def evict_locked(bo: TtmBufferObject, ctx: TtmOperationCtx, locked: bool) -> Blocking[bool]:
    """Evict a buffer if it is locked and there is a place to go (ttm_bo_evict_cb); unlocks it. Whether it is gone."""
    if not locked and not (ctx.allow_res_evict and bo.resv is ctx.resv):
        return False
    try:
        if bo.deleted:
            # When the last fence signals, the buffer gives its memory back by itself.
            yield from wait_until_signaled(bo, list(bo.pending), ctx)
        else:
            yield from ttm_bo_evict(bo, ctx)
    except KernelError as error:
        if error.errno in (errno.ENOSPC, errno.EBUSY):
            return False
        raise
    finally:
        if locked:
            bo.resv.unlock()
    return True


# -- moving -------------------------------------------------------------------------------------------------------


def ttm_bo_evict(bo: TtmBufferObject, ctx: TtmOperationCtx) -> Blocking[None]:
    """Move a buffer to where the driver wants evicted ones, or throw its content away; ENOSPC without a place.

    Leaves out: the lines in the log when it fails.
    """
    places = bo.bdev.evict_flags(bo)
    if not places:
        yield from ttm_bo_wait_ctx(bo, ctx)
        ttm_bo_pipeline_gutting(bo)
        return
    resource = yield from ttm_bo_mem_space(bo, places, ctx)
    yield from _ttm_bo_handle_move_mem(bo, resource, True, ctx)


def _ttm_bo_handle_move_mem(bo: TtmBufferObject, new: TtmResource, evict: bool, ctx: TtmOperationCtx) -> Blocking[None]:
    """Have the driver move a buffer; gives the new place back when that fails.

    Leaves out: taking CPU mappings away and populating pages; stops on the way are the driver's matter.
    """
    try:
        yield from bo.bdev.move(bo, evict, ctx, new)
    except BaseException:
        if bo.resource is not new:
            bo.bdev.managers[new.mem_type].free(new)
            bo.bdev.resource_freed(bo, new)
        raise
    ctx.bytes_moved += bo.size


def ttm_bo_validate(bo: TtmBufferObject, places: list[TtmPlace], ctx: TtmOperationCtx) -> Blocking[None]:
    """Move a buffer to one of the places unless it is there; ENOMEM when there is no room, EINVAL for a pinned one.

    In the second round, with evictions, a buffer may stay where it would not have been put in the first.

    Leaves out: a placement of nothing, which gives the memory up.
    """
    for force_space in (False, True):
        manager = bo.bdev.managers.get(bo.resource.mem_type)
        if manager is not None and ttm_resource_compatible(manager, bo.resource, places, force_space):
            return
        if bo.pin_count:
            raise KernelError(errno.EINVAL, "pinned")
        try:
            if force_space:
                resource = yield from _alloc_evicting(bo, places, ctx)
            else:
                resource = try_alloc(bo, places)
            if resource is not None:
                yield from _ttm_bo_handle_move_mem(bo, resource, False, ctx)
                return
        except KernelError as error:
            if error.errno != errno.ENOSPC:
                raise
    raise KernelError(errno.ENOMEM, f"no room for {bo.size:#x} bytes")
