# SPDX-License-Identifier: MIT
"""The structures of ttm_bo.h and ttm_device.h: buffers, the device they belong to, and operations on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import (
    Lru,
    TtmLruBulkMove,
    TtmPlace,
    TtmResource,
    TtmResourceManager,
)
from amdgpu_hw.mock.kernel.wait import Blocking

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
    from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice

__all__ = ("NO_RESOURCE", "TtmBoType", "TtmBufferObject", "TtmDevice", "TtmOperationCtx")

NO_RESOURCE = TtmResource(-1, 0)
"""In the place of a NULL `bo->resource`."""


class TtmBoType(Enum):
    """`enum ttm_bo_type`."""

    DEVICE = "device"
    SG = "sg"
    """Its pages belong to the exporter of a dma-buf."""


class TtmOperationCtx:
    """`struct ttm_operation_ctx`: how an operation may wait, and what it has moved.

    ``resv`` is a reservation object the caller has locked; with ``allow_res_evict`` its other buffers can be evicted.
    ``ticket``: that of `lock_all`, with which the caller may sleep for the locks of others.
    """

    __slots__ = ("allow_res_evict", "bytes_moved", "interruptible", "resv", "ticket")

    def __init__(
        self,
        interruptible: bool = True,
        resv: DmaResv | None = None,
        allow_res_evict: bool = False,
        ticket: int = 0,
    ) -> None:
        self.interruptible = interruptible
        self.resv = resv
        self.ticket = ticket
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
        self.resource = NO_RESOURCE
        self.bulk_move: TtmLruBulkMove | None = None
        self.lru: Lru | None = None
        """The list it stands in by itself; None while it is in none, or part of a group."""
        self.pin_count = 0
        self.deleted = False
        self.pending: list[DmaFence] = []
