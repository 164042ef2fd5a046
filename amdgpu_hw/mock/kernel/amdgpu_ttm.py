# SPDX-License-Identifier: MIT
"""Memory of a GPU: who owns which part of VRAM and GTT, and the jobs that clear it (amdgpu_ttm.c).

Addresses are those of `GpuMemory`: VRAM from 0 on, GTT behind it. Nothing is evicted: what does not fit is ENOMEM.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

from amdgpu_hw.mock.kernel import amdgpu_job
from amdgpu_hw.mock.kernel.amdgpu_ib import AmdgpuIbPool
from amdgpu_hw.mock.kernel.amdgpu_sync import AMDGPU_FENCE_OWNER_UNDEFINED
from amdgpu_hw.mock.kernel.dma_fence import DmaFence, dma_fence_get_stub
from amdgpu_hw.mock.kernel.gpu_scheduler import DRM_SCHED_PRIORITY_NORMAL, DrmSchedEntity

if TYPE_CHECKING:
    from amdgpu_hw.mock.gpu.memory import GpuMemory
    from amdgpu_hw.mock.kernel.amdgpu_device import AmdgpuDevice

__all__ = (
    "AMDGPU_PL_SYSTEM",
    "AMDGPU_PL_TT",
    "AMDGPU_PL_VRAM",
    "AmdgpuTtm",
    "RangeManager",
    "TtmResource",
    "amdgpu_fill_buffer",
    "amdgpu_ttm_clear_buffer",
)

AMDGPU_PL_SYSTEM = 0
"""TTM_PL_SYSTEM: pages the GPU cannot reach."""
AMDGPU_PL_TT = 1
"""TTM_PL_TT: system pages the GPU can reach (GTT)."""
AMDGPU_PL_VRAM = 2
"""TTM_PL_VRAM."""

_HUGE_PAGE = 2 << 20
_MAX_FILL = 256 << 20
"""Bytes one fill job clears; longer jobs could time out (amdgpu_ttm_clear_buffer)."""


@dataclass(frozen=True, slots=True)
class TtmResource:
    """Where a buffer is: ``start`` and ``size`` in bytes of `GpuMemory`, in one of the AMDGPU_PL_* placements."""

    mem_type: int
    start: int
    size: int


class RangeManager:
    """First-fit allocator of contiguous ranges, sizes in bytes; freed neighbours are joined."""

    def __init__(self, start: int, size: int) -> None:
        self.size = size
        self.used = 0
        self._free: SortedDict[int, int] = SortedDict({start: size} if size else {})

    def alloc(self, size: int, align: int, end: int | None = None, topdown: bool = False) -> int | None:
        """Return the start of a free range, None when there is none.

        ``end``: the range must lie below. ``topdown``: take the highest that fits, not the lowest.
        """
        free = self._free
        for start in reversed(free) if topdown else free:
            stop = start + free[start]
            if end is not None:
                stop = min(stop, end)
            place = (stop - size) // align * align if topdown else -(-start // align) * align
            if start <= place and place + size <= stop:
                self._take(start, place, size)
                return place
        return None

    def free(self, start: int, size: int) -> None:
        """Give a range back."""
        self.used -= size
        free = self._free
        index = free.bisect_left(start)
        if index < len(free) and free.peekitem(index)[0] == start + size:
            size += free.popitem(index)[1]
        if index:
            before, before_size = free.peekitem(index - 1)
            if before + before_size == start:
                free[before] = before_size + size
                return
        free[start] = size

    def _take(self, extent: int, place: int, size: int) -> None:
        extent_size = self._free.pop(extent)
        if place > extent:
            self._free[extent] = place - extent
        rest = extent + extent_size - (place + size)
        if rest:
            self._free[place + size] = rest
        self.used += size


class AmdgpuTtm:
    """`adev->mman`: the memory managers, and the entity that clears VRAM for every process of the machine."""

    def __init__(self, adev: AmdgpuDevice) -> None:
        sizes = adev.identity.memory
        self.adev = adev
        self.memory: GpuMemory = adev.gpu.memory
        self.vram_size = sizes.vram
        self.visible_vram_size = sizes.visible_vram
        self.gtt_size = sizes.gtt
        self.vram_pinned = sizes.vram_pinned
        self.gtt_pinned = sizes.gtt_pinned
        self.vram = RangeManager(self.vram_pinned, self.vram_size - self.vram_pinned)
        self.gtt = RangeManager(self.vram_size + self.gtt_pinned, self.gtt_size - self.gtt_pinned)
        self.system_used = 0
        """Bytes of `gtt` that stand in for system pages outside GTT (CPU domain, GDS, GWS, OA)."""
        self._visible_used = min(self.vram_pinned, self.visible_vram_size)
        self.clear_entity = DrmSchedEntity(adev.vm_pte_scheds[:1], DRM_SCHED_PRIORITY_NORMAL)
        """One FIFO for all clears of the device: one that waits for a gate stalls everybody's (E2)."""
        self.ib_pool = AmdgpuIbPool()
        self.pages_known_clear = False
        """Knob of the console: the allocator only hands out VRAM known to be zero, so creation needs no clear job."""

    # -- counters of AMDGPU_INFO, in bytes --

    @property
    def vram_usage(self) -> int:
        """VRAM in use, the driver's own part included."""
        return self.vram_pinned + self.vram.used

    @property
    def vis_vram_usage(self) -> int:
        """CPU-visible VRAM in use."""
        return self._visible_used

    @property
    def gtt_usage(self) -> int:
        """GTT in use."""
        return self.gtt_pinned + self.gtt.used - self.system_used

    # -- allocation --

    def alloc(self, mem_type: int, size: int, align: int, cpu_access: bool) -> TtmResource | None:
        """Allocate contiguous memory (sizes in bytes); None when it does not fit.

        ``cpu_access``: VRAM behind the PCI aperture; else VRAM is filled from the top, to keep that free.
        """
        if mem_type == AMDGPU_PL_VRAM:
            if size >= _HUGE_PAGE:
                align = max(align, _HUGE_PAGE)
            end = self.visible_vram_size if cpu_access else None
            start = self.vram.alloc(size, align, end, topdown=not cpu_access)
            if start is not None:
                self._visible_used += self._visible_part(start, size)
        else:
            start = self.gtt.alloc(size, align)
            if start is not None and mem_type == AMDGPU_PL_SYSTEM:
                self.system_used += size
        return None if start is None else TtmResource(mem_type, start, size)

    def free(self, resource: TtmResource) -> None:
        """Give memory back; nobody, no job either, can reach it any more."""
        start, size = resource.start, resource.size
        # Pages of the system come zeroed; VRAM is left as it is, its wipe is a job.
        if resource.mem_type == AMDGPU_PL_VRAM:
            self.vram.free(start, size)
            self._visible_used -= self._visible_part(start, size)
            return
        self.memory.discard(start, size)
        self.gtt.free(start, size)
        if resource.mem_type == AMDGPU_PL_SYSTEM:
            self.system_used -= size

    def cpu_visible(self, resource: TtmResource) -> bool:
        """Whether the CPU reaches all of it (amdgpu_res_cpu_visible)."""
        return resource.mem_type != AMDGPU_PL_VRAM or resource.start + resource.size <= self.visible_vram_size

    def _visible_part(self, start: int, size: int) -> int:
        return max(0, min(start + size, self.visible_vram_size) - start)


def amdgpu_ttm_clear_buffer(mman: AmdgpuTtm, resource: TtmResource, fences: Iterable[DmaFence]) -> DmaFence:
    """Zero the VRAM of a new buffer; returns the fence, a signalled one when the pages are known to be zero."""
    if mman.pages_known_clear:
        return dma_fence_get_stub()
    return amdgpu_fill_buffer(mman, resource, fences)


def amdgpu_fill_buffer(mman: AmdgpuTtm, resource: TtmResource, fences: Iterable[DmaFence]) -> DmaFence:
    """Queue the jobs that zero ``resource`` once all ``fences`` have signalled; returns the last one's fence.

    The owner is UNDEFINED: everybody, whatever their synchronisation mode, waits for it (KERNEL.md 4.2).
    """
    fences = tuple(fences)
    fence = dma_fence_get_stub()
    done = 0
    while done < resource.size:
        size = min(resource.size - done, _MAX_FILL)
        job = amdgpu_job.amdgpu_job_alloc(mman.adev, None, mman.clear_entity, AMDGPU_FENCE_OWNER_UNDEFINED, 1)
        # amdgpu_ttm_prepare_job: every fence of the reservation object, BOOKKEEP included.
        for dependency in fences:
            job.add_dependency(dependency)
        job.call = partial(mman.memory.discard, resource.start + done, size)
        fence = amdgpu_job.amdgpu_job_submit(job)
        mman.ib_pool.take(fence)
        done += size
    return fence
