# SPDX-License-Identifier: MIT
"""Where buffers can be: memory managers, placements and the order of eviction (ttm_resource.c, amdgpu_*_mgr.c).

A manager counts bytes, it does not place them: VRAM comes in blocks of any size down to a page (drm_buddy), and GTT
needs no address before it is mapped into the GART, so neither is ever full by fragmentation. What is left of VRAM
addresses is whether they are behind the PCI aperture. Where the bytes are is the matter of `GpuMemory`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
    from amdgpu_hw.mock.kernel.ttm.types import TtmBufferObject

__all__ = (
    "ANYWHERE",
    "HIDDEN",
    "TTM_PL_FLAG_DESIRED",
    "TTM_PL_FLAG_FALLBACK",
    "TTM_PL_FLAG_TEMPORARY",
    "TTM_PL_SYSTEM",
    "TTM_PL_TT",
    "TTM_PL_VRAM",
    "VISIBLE",
    "Lru",
    "TtmLruBulkMove",
    "TtmPlace",
    "TtmResource",
    "TtmResourceManager",
    "VramManager",
    "ttm_resource_compatible",
    "ttm_resource_free",
)

TTM_PL_SYSTEM = 0
"""Pages the GPU cannot reach; they can be swapped out."""
TTM_PL_TT = 1
"""System pages the GPU can reach (GTT)."""
TTM_PL_VRAM = 2

TTM_PL_FLAG_TEMPORARY = 1
"""A stop on the way to somewhere else; may overdraw the manager."""
TTM_PL_FLAG_DESIRED = 2
"""Not used once evictions are allowed."""
TTM_PL_FLAG_FALLBACK = 4
"""Only used once evictions are allowed."""

ANYWHERE, VISIBLE, HIDDEN = range(3)
"""Part of VRAM that a place allows: all of it (filled from the end of VRAM), only what the CPU reaches, only what it
does not reach: `fpfn` and `lpfn`, of which amdgpu uses only these values."""

_PRIORITIES = 4  # TTM_MAX_BO_PRIORITY
_WALK_FIRST = 16


def _nobody() -> None:
    """Nobody wants to know."""


class TtmPlace(NamedTuple):
    """`struct ttm_place`: a manager, TTM_PL_FLAG_* bits, and a part of VRAM."""

    mem_type: int
    flags: int = 0
    part: int = ANYWHERE


class TtmResource:
    """`struct ttm_resource`: ``size`` bytes of a manager, of which ``visible`` bytes are VRAM that the CPU reaches.

    ``address`` is what page tables point to (`GpuMemory`), 0 where the GPU cannot reach.
    """

    __slots__ = ("address", "flags", "mem_type", "size", "visible")

    def __init__(self, mem_type: int, size: int, flags: int = 0, visible: int = 0) -> None:
        self.mem_type = mem_type
        self.size = size
        self.flags = flags
        self.visible = visible
        self.address = 0

    def __repr__(self) -> str:
        return f"<resource {self.mem_type} {self.size:#x} at {self.address:#x}>"


class TtmLruBulkMove:
    """`struct ttm_lru_bulk_move`: buffers that stand next to each other in every LRU and are moved together."""

    __slots__ = ("members",)

    def __init__(self) -> None:
        self.members: dict[tuple[TtmResourceManager, int], OrderedDict[TtmBufferObject, None]] = {}
        """By manager and priority; the least recently used first."""

    def move_tail(self) -> None:
        """Note that the group is being used (`ttm_lru_bulk_move_tail`)."""
        for manager, priority in self.members:
            manager.lru_bulk_move_tail(self, priority)


Lru: TypeAlias = "OrderedDict[TtmBufferObject | TtmLruBulkMove, None]"
"""Buffers and groups of one priority, the least recently used first."""


class TtmResourceManager:
    """`struct ttm_resource_manager`; sizes in bytes. ``pinned``: what the driver itself has taken for good."""

    def __init__(self, mem_type: int, size: int, pinned: int = 0) -> None:
        self.mem_type = mem_type
        self.size = size
        self.pinned = pinned
        self.used = 0
        """Taken by buffers of clients."""
        self.move: DmaFence | None = None
        """The last eviction: memory that was freed by it is only free when it has signalled."""
        self.on_change: Callable[[], None] = _nobody
        """Called when the usage has changed."""
        self._lru: tuple[Lru, ...] = tuple(OrderedDict() for _ in range(_PRIORITIES))

    @property
    def usage(self) -> int:
        """All bytes in use (`ttm_resource_manager_usage`)."""
        return self.pinned + self.used

    # -- resources ------------------------------------------------------------------------------------------------

    def alloc(self, size: int, place: TtmPlace) -> TtmResource | None:
        """Take ``size`` bytes, None when they do not fit (amdgpu_gtt_mgr_new)."""
        if self.usage + size > self.size and not place.flags & TTM_PL_FLAG_TEMPORARY:
            return None
        self.used += size
        self.on_change()
        return TtmResource(self.mem_type, size, place.flags)

    def free(self, resource: TtmResource) -> None:
        """Give a resource back."""
        self.used -= resource.size
        self.on_change()

    def intersects(self, resource: TtmResource, place: TtmPlace) -> bool:
        """Whether freeing a resource would help to get the place."""
        return True

    def compatible(self, resource: TtmResource, place: TtmPlace) -> bool:
        """Whether a resource of this manager is in the part that the place allows."""
        return True

    # -- LRU ------------------------------------------------------------------------------------------------------

    def lru_add(self, bo: TtmBufferObject) -> None:
        """Enter a buffer that has got a resource as the most recently used one (ttm_resource_add_bulk_move)."""
        lru = self._lru[bo.priority]
        bulk = bo.bulk_move
        if bulk is None:
            lru[bo] = None
            bo.lru = lru
            return
        members = bulk.members.get((self, bo.priority))
        if members is None:
            members = bulk.members[self, bo.priority] = OrderedDict()
        members[bo] = None
        lru[bulk] = None

    def lru_del(self, bo: TtmBufferObject) -> None:
        """Take a buffer out."""
        bulk = bo.bulk_move
        if bulk is None:
            self._lru[bo.priority].pop(bo, None)
            bo.lru = None
            return
        members = bulk.members.get((self, bo.priority))
        if members is not None:
            members.pop(bo, None)
            if not members:
                del bulk.members[self, bo.priority]
                del self._lru[bo.priority][bulk]

    def lru_bulk_move_tail(self, bulk: TtmLruBulkMove, priority: int) -> None:
        """Note that a whole group is being used."""
        self._lru[priority].move_to_end(bulk)

    def lru_walk(self) -> Iterator[TtmBufferObject]:
        """Each buffer once, in the order of eviction; the LRU may change while the caller looks at one.

        Looks at the head of the list again after each few, so that an eviction costs what it evicts and not what
        there is.
        """
        for priority in range(_PRIORITIES):
            tried: set[TtmBufferObject] = set()
            count = _WALK_FIRST
            while True:
                batch = list(islice(self._in_order(priority), count))
                fresh = [bo for bo in batch if bo not in tried]
                if not fresh:
                    if len(batch) < count:
                        break
                    count *= 4
                for bo in fresh:
                    tried.add(bo)
                    yield bo

    def _in_order(self, priority: int) -> Iterator[TtmBufferObject]:
        for entry in self._lru[priority]:
            if isinstance(entry, TtmLruBulkMove):
                yield from entry.members[self, priority]
            else:
                yield entry


class VramManager(TtmResourceManager):
    """VRAM (amdgpu_vram_mgr.c), of which the CPU reaches ``visible_size`` bytes.

    ``pinned_hidden``: what of the pinned memory is where it does not. ``reserved``: bytes that buffers of clients
    cannot have, so that there is room for page tables.
    """

    def __init__(self, size: int, visible_size: int, pinned_visible: int, pinned_hidden: int, reserved: int) -> None:
        super().__init__(TTM_PL_VRAM, size, pinned_visible + pinned_hidden)
        self.visible_size = visible_size
        self.reserved = reserved
        self.visible_usage = pinned_visible
        """Bytes in use that the CPU reaches."""

    def alloc(self, size: int, place: TtmPlace) -> TtmResource | None:
        """Take ``size`` bytes of the part that the place allows, None when they do not fit (amdgpu_vram_mgr_new)."""
        if self.usage + size > self.size - self.reserved:
            return None
        hidden_free = max(0, self.size - self.visible_size - (self.usage - self.visible_usage))
        if place.part == VISIBLE:
            visible = size
        elif place.part == HIDDEN:
            if size > hidden_free:
                return None
            visible = 0
        else:
            visible = max(0, size - hidden_free)
        if self.visible_usage + visible > self.visible_size:
            return None
        self.used += size
        self.visible_usage += visible
        self.on_change()
        return TtmResource(TTM_PL_VRAM, size, place.flags, visible)

    def free(self, resource: TtmResource) -> None:
        """Give a resource back."""
        self.visible_usage -= resource.visible
        super().free(resource)

    def intersects(self, resource: TtmResource, place: TtmPlace) -> bool:
        """Whether a resource has a byte in the part that the place allows."""
        if place.part == VISIBLE:
            return resource.visible > 0
        return place.part != HIDDEN or resource.visible < resource.size

    def compatible(self, resource: TtmResource, place: TtmPlace) -> bool:
        """Whether all of a resource is in the part that the place allows."""
        if place.part == VISIBLE:
            return resource.visible == resource.size
        return place.part != HIDDEN or resource.visible == 0


def ttm_resource_compatible(
    manager: TtmResourceManager, resource: TtmResource, places: list[TtmPlace], evicting: bool
) -> bool:
    """Whether a resource of ``manager`` is in one of the places; ``evicting``: evictions are allowed by now.

    Leaves out: CONTIGUOUS: nothing is ever in pieces.
    """
    if resource.flags & TTM_PL_FLAG_TEMPORARY:
        return False
    skipped = TTM_PL_FLAG_DESIRED if evicting else TTM_PL_FLAG_FALLBACK
    return any(
        resource.mem_type == place.mem_type and not place.flags & skipped and manager.compatible(resource, place)
        for place in places
    )


def ttm_resource_free(bo: TtmBufferObject, resource: TtmResource) -> None:
    """Give a resource that a buffer had back.

    Leaves out: (since 6.14) the dmem cgroup.
    """
    bo.bdev.managers[resource.mem_type].free(resource)
    bo.bdev.resource_freed(bo, resource)
