# SPDX-License-Identifier: MIT
"""Memory of a GPU: its heaps, what moves between them and what clears it (amdgpu_ttm.c).

The bytes of a buffer never move (`GpuMemory`, `HostMemory`). What a move changes is which heap they count for and the
address that page tables have to point to: the old one shows them until the job of the move has run, the new one from
then on. A job that uses either at the wrong time is found out (`kasan`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, cast

from amdgpu_hw.gpu_model.timing import DriverOperation
from amdgpu_hw.mock.kernel.amdgpu import amdgpu_job
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.mm_stats import MoveAllowance
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ib import DelayedIbPool
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_FENCE_OWNER_UNDEFINED
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_get_stub
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP
from amdgpu_hw.mock.kernel.kasan import RetiredMemory
from amdgpu_hw.mock.kernel.page import PAGE_SHIFT
from amdgpu_hw.mock.kernel.scheduler.sched_main import DRM_SCHED_PRIORITY_NORMAL, DrmSchedEntity
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import ttm_bo_move_null, ttm_bo_wait_ctx
from amdgpu_hw.mock.kernel.ttm.ttm_bo.validate import ttm_bo_validate
from amdgpu_hw.mock.kernel.ttm.ttm_bo_util import ttm_bo_move_accel_cleanup
from amdgpu_hw.mock.kernel.ttm.ttm_resource.evict import ttm_resource_manager_evict_all
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import (
    HIDDEN,
    TTM_PL_FLAG_DESIRED,
    TTM_PL_FLAG_TEMPORARY,
    TTM_PL_SYSTEM,
    TTM_PL_TT,
    TTM_PL_VRAM,
    TtmPlace,
    TtmResource,
    TtmResourceManager,
    VramManager,
)
from amdgpu_hw.mock.kernel.ttm.types import NO_RESOURCE, TtmBoType, TtmBufferObject, TtmDevice, TtmOperationCtx
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo

__all__ = (
    "AMDGPU_PL_DOORBELL",
    "AMDGPU_PL_GDS",
    "AMDGPU_PL_GWS",
    "AMDGPU_PL_OA",
    "AMDGPU_VM_RESERVED_VRAM",
    "GPU_ACCESSIBLE",
    "AmdgpuMman",
    "amdgpu_fill_buffer",
    "amdgpu_ttm_clear_buffer",
    "amdgpu_ttm_evict_resources",
    "amdgpu_ttm_tt_get_user_pages",
)

AMDGPU_PL_GDS, AMDGPU_PL_GWS, AMDGPU_PL_OA, AMDGPU_PL_DOORBELL = range(3, 7)
"""Memory on the chip, in units of a page each, and the part of the aperture that user queues are rung with."""

GPU_ACCESSIBLE = frozenset((TTM_PL_TT, TTM_PL_VRAM, AMDGPU_PL_DOORBELL))
"""What page tables can point to."""

AMDGPU_VM_RESERVED_VRAM = 8 << 20
"""VRAM that no buffer of a client may take, so that page tables can still be made (amdgpu_vm.h)."""

_ON_CHIP = frozenset((AMDGPU_PL_GDS, AMDGPU_PL_GWS, AMDGPU_PL_OA, AMDGPU_PL_DOORBELL))
_DOORBELLS = 2 << 20
_MAX_FILL = 256 << 20
"""Bytes one fill job clears; longer jobs could time out (amdgpu_ttm_clear_buffer)."""


class AmdgpuMman(TtmDevice):
    """`adev->mman`: the heaps of a device, and the entities that clear and move for every process of the machine.

    System memory that GPUs cannot reach is as large as twice all the rest: RAM and swap of a machine with such a GPU.
    """

    def __init__(self, adev: AmdgpuDevice) -> None:
        sizes, gds = adev.identity.memory, adev.identity.gds
        self.adev = adev
        self.memory = adev.gpu.memory
        self.vram_size = sizes.vram
        self.visible_vram_size = sizes.visible_vram
        self.gtt_size = sizes.gtt
        self.vram = VramManager(
            sizes.vram, sizes.visible_vram, sizes.vram_pinned, sizes.vram_pinned_hidden, AMDGPU_VM_RESERVED_VRAM
        )
        self.gtt = TtmResourceManager(TTM_PL_TT, sizes.gtt, sizes.gtt_pinned)
        self.system = TtmResourceManager(TTM_PL_SYSTEM, 2 * (sizes.vram + sizes.gtt))
        on_chip = (
            (AMDGPU_PL_GDS, gds.size << PAGE_SHIFT),
            (AMDGPU_PL_GWS, gds.gws << PAGE_SHIFT),
            (AMDGPU_PL_OA, gds.oa << PAGE_SHIFT),
            (AMDGPU_PL_DOORBELL, _DOORBELLS),
        )
        self.managers = {manager.mem_type: manager for manager in (self.vram, self.gtt, self.system)} | {
            mem_type: TtmResourceManager(mem_type, size) for mem_type, size in on_chip if size
        }
        clears = min(adev.variant.clear_entities, len(adev.vm_pte_scheds))
        schedulers = adev.vm_pte_scheds[:clears]
        self.clear_entities = [DrmSchedEntity(schedulers, DRM_SCHED_PRIORITY_NORMAL) for _ in schedulers]
        """FIFOs for all clears of the device: one that waits for a gate stalls everybody's on the same one (E2)."""
        self.next_clear_entity = 0
        self.move_entity = DrmSchedEntity(adev.vm_pte_scheds[:1], DRM_SCHED_PRIORITY_NORMAL)
        """The same for moves."""
        self.ib_pool = DelayedIbPool()
        self.pages_known_clear = False
        """Knob of the console: the allocator only hands out VRAM known to be zero, so creation needs no clear job."""
        self.mm_stats = MoveAllowance(self.vram, adev.identity.chip.apu)
        self.unsettled = 0
        """Buffers that a submission would move."""
        self.num_vram_cpu_page_faults = 0
        """Times the CPU found a buffer in VRAM that it does not reach."""
        self.retired = RetiredMemory()
        """Addresses that nothing may use any more."""

    # -- counters of AMDGPU_INFO, in bytes --

    @property
    def vram_usage(self) -> int:
        """VRAM in use, the driver's own part included."""
        return self.vram.usage

    @property
    def vis_vram_usage(self) -> int:
        """CPU-visible VRAM in use."""
        return self.vram.visible_usage

    @property
    def gtt_usage(self) -> int:
        """GTT in use."""
        return self.gtt.usage

    @property
    def vram_full_visible(self) -> bool:
        """Whether the CPU reaches all VRAM (amdgpu_gmc_vram_full_visible)."""
        return self.visible_vram_size == self.vram_size

    # -- ttm_device_funcs --

    def now(self) -> int:
        """CLOCK_MONOTONIC in ns."""
        return self.adev.kernel.now()

    def evict_flags(self, bo: TtmBufferObject) -> list[TtmPlace]:
        """Where an evicted buffer goes (amdgpu_evict_flags)."""
        abo = cast("AmdgpuBo", bo)
        mem_type = bo.resource.mem_type
        if bo.type is TtmBoType.SG or abo.flags & drm.AMDGPU_GEM_CREATE_DISCARDABLE or mem_type in _ON_CHIP:
            return []
        if mem_type != TTM_PL_VRAM:
            return [TtmPlace(TTM_PL_SYSTEM)]
        places = [TtmPlace(TTM_PL_TT), TtmPlace(TTM_PL_SYSTEM)]
        if (
            not self.vram_full_visible
            and not abo.flags & drm.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED
            and bo.resource.visible == bo.size
        ):
            # First where the CPU does not reach, but not at the expense of a buffer that is there.
            places.insert(0, TtmPlace(TTM_PL_VRAM, TTM_PL_FLAG_DESIRED, HIDDEN))
        return places

    def move(self, bo: TtmBufferObject, evict: bool, ctx: TtmOperationCtx, new: TtmResource) -> Blocking[None]:
        """Move a buffer (amdgpu_bo_move); sleeps where pages go out of the GPU's reach."""
        abo = cast("AmdgpuBo", bo)
        old = bo.resource.mem_type
        if bo.resource is NO_RESOURCE or (old == TTM_PL_SYSTEM and new.mem_type == TTM_PL_TT):
            if bo.type is TtmBoType.SG and new.mem_type == TTM_PL_TT:
                yield from self._map_attachment(abo, ctx)
            abo.move_notify(evict)
            ttm_bo_move_null(bo, new)
        elif old == TTM_PL_TT and new.mem_type == TTM_PL_SYSTEM:
            yield from ttm_bo_wait_ctx(bo, ctx)
            abo.move_notify(evict)
            ttm_bo_move_null(bo, new)
        elif old in _ON_CHIP or new.mem_type in _ON_CHIP:
            abo.move_notify(evict)  # nothing to save there
            ttm_bo_move_null(bo, new)
        else:
            if new.mem_type == TTM_PL_VRAM and old != TTM_PL_VRAM:
                # The next access of the CPU sets it again (amdgpu_bo_fault_reserve_notify).
                abo.flags &= ~drm.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED
            if TTM_PL_SYSTEM in (old, new.mem_type):
                yield from self._hop(bo, ctx)
                yield from self.move(bo, evict, ctx, new)
                return
            self.copy(abo, evict, new)

    def copy(self, bo: AmdgpuBo, evict: bool, new: TtmResource) -> None:
        """Move a buffer between VRAM and GTT, or within VRAM: never sleeps."""
        bo.move_notify(evict)
        _amdgpu_move_blit(bo, evict, new)
        self.adev.num_evictions += evict
        self.adev.num_bytes_moved += bo.size

    def _map_attachment(self, bo: AmdgpuBo, ctx: TtmOperationCtx) -> Blocking[None]:
        """Get at the memory of an exporter, which has to have it in GTT (amdgpu_dma_buf_map)."""
        assert bo.import_attach is not None, "not imported"
        exporter = bo.import_attach.priv
        if isinstance(exporter, TtmBufferObject) and not exporter.pin_count:
            yield from ttm_bo_validate(exporter, [TtmPlace(TTM_PL_TT)], ctx)
        if bo.host < 0:
            bo.attach_pages()

    def _hop(self, bo: TtmBufferObject, ctx: TtmOperationCtx) -> Blocking[None]:
        """VRAM and pages out of the GPU's reach: the copy engine can only do GTT (ttm_bo_bounce_temp_buffer)."""
        stop = self.gtt.alloc(bo.size, TtmPlace(TTM_PL_TT, TTM_PL_FLAG_TEMPORARY))
        assert stop is not None, "a temporary resource may overdraw its manager"
        yield from self.move(bo, False, ctx, stop)

    def resource_assigned(self, bo: TtmBufferObject) -> None:
        """Give a new resource its address, unless a move has, and show the buffer's bytes there."""
        abo, resource = cast("AmdgpuBo", bo), bo.resource
        if not resource.address and resource.mem_type in GPU_ACCESSIBLE:
            resource.address = self.memory.reserve(resource.size)
            abo.show_at(resource.address)
        abo.update_settled()

    def resource_freed(self, bo: TtmBufferObject, resource: TtmResource) -> None:
        """Take the address away; whoever uses it from now on uses freed memory."""
        if resource.address:
            self.memory.disable(resource.address)
            self.retired.add(resource.address, cast("AmdgpuBo", bo).label, bo.deleted, self.now())

    def throw_away(self, bo: TtmBufferObject) -> None:
        """Drop the content of a buffer that may be discarded; it reads as 0 then."""
        cast("AmdgpuBo", bo).discard()

    def lose_vram(self) -> None:
        """All of VRAM comes back from a reset as zeros."""
        for bo in self.vram.lru_walk():
            cast("AmdgpuBo", bo).discard()

    def released(self, bo: TtmBufferObject) -> None:
        """Give the bytes of a dead buffer back."""
        cast("AmdgpuBo", bo).release_pages()


def _amdgpu_move_blit(bo: AmdgpuBo, evict: bool, new: TtmResource) -> None:
    """Queue the job that copies a buffer, once everything that uses it is done (amdgpu_move_blit).

    The kernel wipes the old place with a second job; here it is gone with the first.

    Leaves out: (7.3) taking turns among several entities, buffers of the kernel, and encryption.
    """
    mman = bo.adev.mman
    old_address, new.address = bo.resource.address, mman.memory.reserve(new.size)
    job = amdgpu_job.amdgpu_job_alloc(mman.adev, None, mman.move_entity, AMDGPU_FENCE_OWNER_UNDEFINED, 1)
    for dependency in bo.resv.iter(DMA_RESV_USAGE_BOOKKEEP):
        job.add_dependency(dependency)
    hand_over = partial(_hand_over, bo, old_address, new.address)
    job.call = hand_over
    job.operation, job.amount = DriverOperation.COPY, new.size
    fence = amdgpu_job.amdgpu_job_submit(job)
    # Also when the job is cancelled by a reset: a buffer is lost then, its address is not.
    if not fence.add_callback(lambda _fence: hand_over()):
        hand_over()
    mman.ib_pool.take(fence)
    ttm_bo_move_accel_cleanup(bo, fence, evict, new)


def _hand_over(bo: AmdgpuBo, old_address: int, new_address: int) -> None:
    mman = bo.adev.mman
    if mman.memory.is_reserved(new_address):
        bo.show_at(new_address)
        mman.memory.disable(old_address)
        mman.retired.add(old_address, bo.label, False, mman.now())


def amdgpu_ttm_clear_buffer(bo: AmdgpuBo, fences: Iterable[DmaFence]) -> DmaFence:
    """Zero the VRAM of a new buffer; returns the fence, a signalled one when the pages are known to be zero.

    Leaves out: clearing only those parts that are not known to be zero.
    """
    if bo.adev.mman.pages_known_clear:
        return dma_fence_get_stub()
    return amdgpu_fill_buffer(bo, fences)


def amdgpu_ttm_next_clear_entity(mman: AmdgpuMman) -> DrmSchedEntity:
    """The entity whose turn it is."""
    mman.next_clear_entity += 1
    return mman.clear_entities[mman.next_clear_entity % len(mman.clear_entities)]


def amdgpu_fill_buffer(bo: AmdgpuBo, fences: Iterable[DmaFence]) -> DmaFence:
    """Queue the jobs that zero a buffer once all ``fences`` have signalled; returns the last one's fence.

    The owner is UNDEFINED: everybody, whatever their synchronisation mode, waits for it (KERNEL.md 4.2).
    """
    mman = bo.adev.mman
    fences, entity = tuple(fences), amdgpu_ttm_next_clear_entity(mman)
    fence = dma_fence_get_stub()
    done = 0
    while done < bo.size:
        size = min(bo.size - done, _MAX_FILL)
        job = amdgpu_job.amdgpu_job_alloc(mman.adev, None, entity, AMDGPU_FENCE_OWNER_UNDEFINED, 1)
        # amdgpu_ttm_prepare_job: every fence of the reservation object, BOOKKEEP included.
        for dependency in fences:
            job.add_dependency(dependency)
        job.call = partial(bo.wipe, done, size)
        job.operation, job.amount = DriverOperation.FILL, size
        fence = amdgpu_job.amdgpu_job_submit(job)
        mman.ib_pool.take(fence)
        done += size
    return fence


def amdgpu_ttm_evict_resources(adev: AmdgpuDevice, mem_type: int) -> Blocking[None]:
    """Empty VRAM or GTT, page tables included, as `amdgpu_evict_vram` and `amdgpu_evict_gtt` of debugfs do.

    Page tables are evicted last, and only those of address spaces in which nothing is in flight; GEM_VA leaves them
    alone until the next submission has brought them back (KERNEL.md 3.5 step 0).

    Leaves out: GDS, GWS, OA and EINVAL for other heaps.
    """
    yield from ttm_resource_manager_evict_all(adev.mman, adev.mman.managers[mem_type])
    if mem_type == TTM_PL_VRAM:
        for vm in adev.vms.values():
            vm.evict_page_tables()


def amdgpu_ttm_tt_get_user_pages(bo: AmdgpuBo) -> None:
    """Make sure that the client has the pages of a userptr BO; does nothing for other BOs.

    Leaves out: collecting the pages: the GPU goes by addresses.
    """
    if bo.user_pages is not None:
        bo.user_pages.fault_in(bo.size)
