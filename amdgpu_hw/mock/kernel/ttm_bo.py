# SPDX-License-Identifier: MIT
"""Buffers that memory is found for, and taken from again: ttm_bo.c and ttm_bo_util.c.

What needs no eviction is a plain call. Evicting may sleep: for a buffer that is idle before its pages can go, for the
memory of dead buffers, for the IB pool. The kernel's second round of evictions, which sleeps for locks that other
system calls hold, is left out: a buffer that somebody else has locked is not evicted.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_fence import DmaFence, dma_fence_wait_all
from amdgpu_hw.mock.kernel.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DMA_RESV_USAGE_KERNEL, DmaResv
from amdgpu_hw.mock.kernel.drm_gem import DrmGemObject
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.ttm_resource import (
    TTM_PL_FLAG_DESIRED,
    TTM_PL_FLAG_FALLBACK,
    TTM_PL_FLAG_TEMPORARY,
    TTM_PL_SYSTEM,
    TTM_PL_TT,
    Lru,
    TtmLruBulkMove,
    TtmPlace,
    TtmResource,
    TtmResourceManager,
    ttm_resource_compatible,
)
from amdgpu_hw.mock.kernel.wait import Blocking

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm_drv import DrmDevice

__all__ = (
    "TTM_NO_RESOURCE",
    "TtmBoType",
    "TtmBufferObject",
    "TtmDevice",
    "TtmOperationCtx",
    "ttm_bo_assign_mem",
    "ttm_bo_evict",
    "ttm_bo_mem_space",
    "ttm_bo_move_accel_cleanup",
    "ttm_bo_move_null",
    "ttm_bo_move_to_lru_tail",
    "ttm_bo_pipeline_gutting",
    "ttm_bo_put_resource",
    "ttm_bo_release",
    "ttm_bo_set_bulk_move",
    "ttm_bo_try_alloc",
    "ttm_bo_validate",
    "ttm_bo_wait_ctx",
    "ttm_resource_manager_evict_all",
)

_WAIT_NS = 15_000_000_000

TTM_NO_RESOURCE = TtmResource(-1, 0)
"""In the place of a NULL `bo->resource`."""


class TtmBoType(Enum):
    """`enum ttm_bo_type`."""

    DEVICE = "device"
    SG = "sg"
    """Its pages belong to the exporter of a dma-buf."""


class TtmOperationCtx:
    """`struct ttm_operation_ctx`: how an operation may wait, and what it has moved.

    ``resv`` is a reservation object the caller has locked; with ``allow_res_evict`` its other buffers can be evicted.
    """

    __slots__ = ("allow_res_evict", "bytes_moved", "interruptible", "resv")

    def __init__(self, interruptible: bool = True, resv: DmaResv | None = None, allow_res_evict: bool = False) -> None:
        self.interruptible = interruptible
        self.resv = resv
        self.allow_res_evict = allow_res_evict
        self.bytes_moved = 0


class TtmDevice(ABC):
    """`struct ttm_device`: the managers by TTM_PL_*, and what the driver does (`ttm_device_funcs`)."""

    managers: dict[int, TtmResourceManager]

    @abstractmethod
    def now(self) -> int:
        """CLOCK_MONOTONIC in ns."""

    @abstractmethod
    def evict_flags(self, bo: TtmBufferObject) -> list[TtmPlace]:
        """Where an evicted buffer may go, best first; nowhere: its content is thrown away."""

    @abstractmethod
    def move(self, bo: TtmBufferObject, evict: bool, ctx: TtmOperationCtx, new: TtmResource) -> Blocking[None]:
        """Move a buffer to ``new`` and assign it; stops on the way are the driver's matter."""

    @abstractmethod
    def resource_assigned(self, bo: TtmBufferObject) -> None:
        """A buffer has got another resource."""

    @abstractmethod
    def resource_freed(self, bo: TtmBufferObject, resource: TtmResource) -> None:
        """A buffer gives a resource back; nobody may reach it any more."""

    @abstractmethod
    def released(self, bo: TtmBufferObject) -> None:
        """Nothing uses the memory of a dead buffer any more, its resource has been freed."""

    @abstractmethod
    def throw_away(self, bo: TtmBufferObject) -> None:
        """The content of a buffer is not needed any more."""


class TtmBufferObject(DrmGemObject):
    """`struct ttm_buffer_object`: a buffer and where it is.

    ``deleted``: nobody refers to it any more, but its memory is still in use by the fences in ``pending``.
    """

    __slots__ = ("bdev", "bulk_move", "deleted", "lru", "pending", "pin_count", "priority", "resource", "type")

    def __init__(
        self,
        bdev: TtmDevice,
        dev: DrmDevice,
        size: int,
        priority: int,
        resv: DmaResv | None,
        kind: TtmBoType = TtmBoType.DEVICE,
    ) -> None:
        super().__init__(dev, size, resv)
        self.bdev = bdev
        self.type = kind
        self.priority = priority
        """Buffers of a lower one are evicted first."""
        self.resource = TTM_NO_RESOURCE
        self.bulk_move: TtmLruBulkMove | None = None
        self.lru: Lru | None = None
        """The list it stands in by itself; None while it is in none, or part of a group."""
        self.pin_count = 0
        self.deleted = False
        self.pending: list[DmaFence] = []


# -- resources ----------------------------------------------------------------------------------------------------


def ttm_bo_put_resource(bo: TtmBufferObject) -> None:
    """Give back what a buffer has."""
    if bo.resource is not TTM_NO_RESOURCE:
        _ttm_resource_free(bo, _ttm_bo_take_resource(bo))


def _ttm_bo_take_resource(bo: TtmBufferObject) -> TtmResource:
    """Part a buffer from its resource, which is not free yet."""
    resource = bo.resource
    bo.bdev.managers[resource.mem_type].lru_del(bo)
    bo.resource = TTM_NO_RESOURCE
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
    ttm_bo_put_resource(bo)
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


# -- finding room -------------------------------------------------------------------------------------------------


def ttm_bo_try_alloc(bo: TtmBufferObject, places: list[TtmPlace]) -> TtmResource | None:
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


def _ttm_bo_force_alloc(
    bo: TtmBufferObject, places: list[TtmPlace], ctx: TtmOperationCtx
) -> Blocking[TtmResource | None]:
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
    resource = ttm_bo_try_alloc(bo, places)
    if resource is None:
        resource = yield from _ttm_bo_force_alloc(bo, places, ctx)
    if resource is None:
        raise KernelError(errno.ENOSPC, f"no room for {bo.size:#x} bytes")
    return resource


def _ttm_bo_add_move_fence(bo: TtmBufferObject, manager: TtmResourceManager) -> None:
    """Make the buffer wait for the evictions that have freed its memory."""
    if manager.move is not None and not manager.move.signaled:
        bo.resv.add_fence(manager.move, DMA_RESV_USAGE_KERNEL)


def _ttm_bo_evict_alloc(
    evictor: TtmBufferObject, manager: TtmResourceManager, place: TtmPlace, ctx: TtmOperationCtx
) -> Blocking[TtmResource | None]:
    """Evict, the least recently used first, until there is room."""
    for bo in manager.lru_walk():
        if bo.resource.mem_type != manager.mem_type:
            continue  # It went away while we slept.
        if bo.pin_count or not manager.intersects(bo.resource, place):
            continue
        if (yield from _ttm_bo_evict_locked(bo, ctx)):
            resource = manager.alloc(evictor.size, place)
            if resource is not None:
                return resource
    return None


def _ttm_bo_evict_locked(bo: TtmBufferObject, ctx: TtmOperationCtx) -> Blocking[bool]:
    """Evict a buffer if its lock can be had and there is a place to go (ttm_bo_evict_cb); whether it is gone."""
    locked = bo.resv.trylock()
    if not locked and not (ctx.allow_res_evict and bo.resv is ctx.resv):
        return False
    try:
        if bo.deleted:
            # When the last fence signals, the buffer gives its memory back by itself.
            yield from _ttm_bo_wait(bo, list(bo.pending), ctx)
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


def ttm_bo_wait_ctx(bo: TtmBufferObject, ctx: TtmOperationCtx) -> Blocking[None]:
    """Sleep until nothing uses a buffer; EBUSY after 15 s."""
    yield from _ttm_bo_wait(bo, list(bo.resv.iter(DMA_RESV_USAGE_BOOKKEEP)), ctx)


def _ttm_bo_wait(bo: TtmBufferObject, fences: list[DmaFence], ctx: TtmOperationCtx) -> Blocking[None]:
    if all(fence.signaled for fence in fences):
        return
    deadline = bo.bdev.now() + _WAIT_NS
    if not (yield from dma_fence_wait_all(tuple(fences), ctx.interruptible, deadline)):
        raise KernelError(errno.EBUSY, "the buffer does not become idle")


def ttm_bo_evict(bo: TtmBufferObject, ctx: TtmOperationCtx) -> Blocking[None]:
    """Move a buffer to where the driver wants evicted ones, or throw its content away; ENOSPC without a place."""
    places = bo.bdev.evict_flags(bo)
    if not places:
        yield from ttm_bo_wait_ctx(bo, ctx)
        ttm_bo_pipeline_gutting(bo)
        return
    resource = yield from ttm_bo_mem_space(bo, places, ctx)
    yield from _ttm_bo_handle_move_mem(bo, resource, True, ctx)


def ttm_bo_pipeline_gutting(bo: TtmBufferObject) -> None:
    """Take a buffer's memory away together with its content; what is in flight can still use it."""
    bo.bdev.throw_away(bo)
    old = _ttm_bo_take_resource(bo)
    _when_signaled(list(bo.resv.iter(DMA_RESV_USAGE_BOOKKEEP)), partial(_ttm_resource_free, bo, old))
    resource = bo.bdev.managers[TTM_PL_SYSTEM].alloc(bo.size, TtmPlace(TTM_PL_SYSTEM, TTM_PL_FLAG_TEMPORARY))
    assert resource is not None, "a temporary resource may overdraw its manager"
    ttm_bo_assign_mem(bo, resource)


def _ttm_bo_handle_move_mem(bo: TtmBufferObject, new: TtmResource, evict: bool, ctx: TtmOperationCtx) -> Blocking[None]:
    try:
        yield from bo.bdev.move(bo, evict, ctx, new)
    except BaseException:
        if bo.resource is not new:
            bo.bdev.managers[new.mem_type].free(new)
            bo.bdev.resource_freed(bo, new)
        raise
    ctx.bytes_moved += bo.size


def ttm_bo_move_accel_cleanup(bo: TtmBufferObject, fence: DmaFence, evict: bool, new: TtmResource) -> None:
    """Finish a move that the GPU makes, when ``fence`` signals.

    An eviction frees the old memory at once: whoever gets it waits for the manager's move fence. Otherwise it is
    held until then, as by the kernel's ghost object.
    """
    bo.resv.add_fence(fence, DMA_RESV_USAGE_KERNEL)
    old = _ttm_bo_take_resource(bo)
    manager = bo.bdev.managers[old.mem_type]
    if evict and old.mem_type != TTM_PL_TT:
        manager.move = fence
        manager.free(old)
    else:
        _when_signaled([fence], partial(manager.free, old))
    ttm_bo_assign_mem(bo, new)


def ttm_bo_validate(bo: TtmBufferObject, places: list[TtmPlace], ctx: TtmOperationCtx) -> Blocking[None]:
    """Move a buffer to one of the places unless it is there; ENOMEM when there is no room, EINVAL for a pinned one.

    In the second round, with evictions, a buffer may stay where it would not have been put in the first.
    """
    for force_space in (False, True):
        manager = bo.bdev.managers.get(bo.resource.mem_type)
        if manager is not None and ttm_resource_compatible(manager, bo.resource, places, force_space):
            return
        if bo.pin_count:
            raise KernelError(errno.EINVAL, "pinned")
        if force_space:
            resource = yield from _ttm_bo_force_alloc(bo, places, ctx)
        else:
            resource = ttm_bo_try_alloc(bo, places)
        if resource is not None:
            yield from _ttm_bo_handle_move_mem(bo, resource, False, ctx)
            return
    raise KernelError(errno.ENOMEM, f"no room for {bo.size:#x} bytes")


# -- the end ------------------------------------------------------------------------------------------------------


def ttm_bo_release(bo: TtmBufferObject, pending: list[DmaFence]) -> None:
    """Give the memory of a dead buffer back when the last of ``pending`` has signalled (ttm_bo_delayed_delete).

    Until then it stands in its LRU: whoever needs its memory waits for it.
    """
    bo.resv = bo._resv
    bo.deleted = True
    bo.pending = pending
    _when_signaled(pending, partial(_ttm_bo_delayed_delete, bo))


def _ttm_bo_delayed_delete(bo: TtmBufferObject) -> None:
    ttm_bo_put_resource(bo)
    bo.bdev.released(bo)


def ttm_resource_manager_evict_all(bdev: TtmDevice, manager: TtmResourceManager) -> Blocking[None]:
    """Evict every buffer of a manager that can be evicted; the first failure ends it."""
    ctx = TtmOperationCtx(interruptible=False)
    for bo in manager.lru_walk():
        if bo.resource.mem_type == manager.mem_type and not bo.pin_count:
            yield from _ttm_bo_evict_locked(bo, ctx)
