# SPDX-License-Identifier: MIT
"""Buffer objects of amdgpu: amdgpu_object.c."""

from __future__ import annotations

import errno
import mmap
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ttm import (
    AMDGPU_PL_DOORBELL,
    AMDGPU_PL_GDS,
    AMDGPU_PL_GWS,
    AMDGPU_PL_OA,
    GPU_ACCESSIBLE,
    amdgpu_fill_buffer,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import vm as amdgpu_vm
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import (
    DMA_RESV_USAGE_BOOKKEEP,
    DMA_RESV_USAGE_READ,
    DMA_RESV_USAGE_WRITE,
    DmaResv,
)
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.kasan import BufferLabel
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import ttm_bo_release
from amdgpu_hw.mock.kernel.ttm.ttm_bo.validate import try_alloc
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import (
    ANYWHERE,
    TTM_PL_FLAG_DESIRED,
    TTM_PL_FLAG_FALLBACK,
    TTM_PL_SYSTEM,
    TTM_PL_TT,
    TTM_PL_VRAM,
    VISIBLE,
    TtmPlace,
    ttm_resource_compatible,
)
from amdgpu_hw.mock.kernel.ttm.types import NO_RESOURCE, TtmBoType, TtmBufferObject
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_TILING_TILE_SPLIT_MASK, AMDGPU_TILING_TILE_SPLIT_SHIFT
from amdgpu_hw.uapi.amdgpu_info import AMDGPU_FAMILY_CZ

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_hmm import UserPages
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuVm
    from amdgpu_hw.mock.kernel.dma_buf.dma_buf import DmaBuf
    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence

__all__ = (
    "AmdgpuBo",
    "amdgpu_bo_fault_reserve_notify",
    "amdgpu_bo_fence",
    "amdgpu_bo_placement_from_domain",
    "amdgpu_bo_release_notify",
    "amdgpu_bo_set_tiling_flags",
)


_DOMAIN_OF = {
    TTM_PL_SYSTEM: drm.AMDGPU_GEM_DOMAIN_CPU,
    TTM_PL_TT: drm.AMDGPU_GEM_DOMAIN_GTT,
    TTM_PL_VRAM: drm.AMDGPU_GEM_DOMAIN_VRAM,
    AMDGPU_PL_GDS: drm.AMDGPU_GEM_DOMAIN_GDS,
    AMDGPU_PL_GWS: drm.AMDGPU_GEM_DOMAIN_GWS,
    AMDGPU_PL_OA: drm.AMDGPU_GEM_DOMAIN_OA,
    AMDGPU_PL_DOORBELL: drm.AMDGPU_GEM_DOMAIN_DOORBELL,
}
_PLACE_OF = tuple(
    (_DOMAIN_OF[mem_type], TtmPlace(mem_type))
    for mem_type in (TTM_PL_SYSTEM, AMDGPU_PL_GDS, AMDGPU_PL_GWS, AMDGPU_PL_OA)
)

_TILE_SPLIT_MAX = 6
"""What the display engines of GFX8 and older can be told (amdgpu_bo_set_tiling_flags)."""

_MAP_TYPE = mmap.MAP_SHARED | mmap.MAP_PRIVATE

_numbers = count(1)


class AmdgpuBo(TtmBufferObject):
    """`struct amdgpu_bo`: a buffer, where it is, and the address spaces it is attached to.

    ``flags`` are the kernel's own, not only what user space asked for. An always-valid BO shares the reservation
    object of its VM's root directory.
    """

    __slots__ = (
        "_exporter",
        "adev",
        "alignment",
        "allowed_domains",
        "flags",
        "host",
        "label",
        "metadata",
        "metadata_flags",
        "preferred_domains",
        "settled",
        "tiling_flags",
        "user_pages",
        "vm_bo",
    )

    def __init__(
        self,
        adev: AmdgpuDevice,
        size: int,
        alignment: int,
        domains: int,
        flags: int,
        resv: DmaResv | None,
        kind: TtmBoType = TtmBoType.DEVICE,
    ) -> None:
        priority = 0 if flags & drm.AMDGPU_GEM_CREATE_DISCARDABLE else 1
        super().__init__(adev.mman, adev.ddev, size, priority, resv, kind)
        self.adev = adev
        self.alignment = alignment
        """In bytes."""
        self.preferred_domains = domains
        self.allowed_domains = domains
        if domains == drm.AMDGPU_GEM_DOMAIN_VRAM and not flags & drm.AMDGPU_GEM_CREATE_DISCARDABLE:
            self.allowed_domains |= drm.AMDGPU_GEM_DOMAIN_GTT
        self.flags = flags
        self.host = -1
        """Where its bytes are in `HostMemory`; -1 when it has none there."""
        self.user_pages: UserPages | None = None
        """The client's pages behind a userptr BO."""
        self.settled = True
        """Whether a submission has no reason to move it: it is where it is wanted."""
        self.label = BufferLabel(next(_numbers), size, 0, "")
        self.tiling_flags = 0
        self.metadata = b""
        self.metadata_flags = 0
        self._exporter: DmaBuf | None = None
        self.vm_bo: dict[AmdgpuVm, AmdgpuBoVa] = {}

    # -- where it is ----------------------------------------------------------------------------------------------

    @property
    def address(self) -> int:
        """What page tables point to for its first byte (`GpuMemory`)."""
        return self.resource.address

    @property
    def domain(self) -> int:
        """The AMDGPU_GEM_DOMAIN_* it is in."""
        return _DOMAIN_OF.get(self.resource.mem_type, drm.AMDGPU_GEM_DOMAIN_CPU)

    @property
    def gpu_accessible(self) -> bool:
        """Whether page tables can point to it."""
        return self.resource.mem_type in GPU_ACCESSIBLE

    @property
    def in_preferred_domain(self) -> bool:
        """Whether it is where it was asked to be."""
        return bool(self.preferred_domains & self.domain)

    @property
    def cpu_visible(self) -> bool:
        """Whether the CPU reaches all of it (amdgpu_res_cpu_visible)."""
        return self.resource.mem_type != TTM_PL_VRAM or self.resource.visible == self.size

    def is_always_valid(self, vm: AmdgpuVm) -> bool:
        """Whether the BO belongs to ``vm`` for good (amdgpu_vm_is_bo_always_valid)."""
        return self.resv is vm.root_resv

    def update_settled(self) -> None:
        """Note anew whether a submission would move it; after every change of place, flags or domains."""
        places = amdgpu_bo_placement_from_domain(self, self.preferred_domains)
        manager = self.bdev.managers[self.resource.mem_type]
        self._set_settled(ttm_resource_compatible(manager, self.resource, places, False))

    def _set_settled(self, settled: bool) -> None:
        self.adev.mman.unsettled += self.settled - settled
        self.settled = settled

    def move_notify(self, evict: bool) -> None:
        """Have page tables and importers forget where it was (amdgpu_bo_move_notify); called before it moves."""
        amdgpu_vm.amdgpu_vm_bo_invalidate(self, evict)
        if self.dma_buf is not None and self.import_attach is None and self.resource.mem_type > TTM_PL_SYSTEM:
            self.dma_buf.move_notify()

    # -- its bytes ------------------------------------------------------------------------------------------------

    def show_at(self, address: int) -> None:
        """Make its bytes appear at a reserved address of the GPU."""
        memory = self.adev.gpu.memory
        if self.user_pages is not None:
            memory.enable_window(address, self.user_pages)
        else:
            memory.enable(address, self.host, self.size)

    def wipe(self, offset: int, size: int) -> None:
        """Zero a part of it, for clears at birth and death.

        A buffer that a client has mapped is left alone. On hardware the CPU's first access waits for the clear of a
        new one, whose pages read 0 here already; and a dead one lives, with its content, as long as a mapping does.
        """
        host = self.adev.gpu.memory.host
        if not host.has_own_file(self.host):
            host.discard(self.host + offset, size)

    def discard(self) -> None:
        """Zero all of it, also for those who have it mapped; memory of somebody else is left alone."""
        if self.host >= 0 and self.type is TtmBoType.DEVICE:
            self.adev.gpu.memory.host.discard(self.host, self.size)

    def attach_pages(self) -> None:
        """Have the exporter's memory in the place of its own (amdgpu_ttm_backend_bind); ENOMEM."""
        assert self.import_attach is not None, "not imported"
        host = self.adev.gpu.memory.host
        start = host.alloc(self.size)
        if start is None:
            raise KernelError(errno.ENOMEM, f"no {self.size:#x} bytes of address space for the host")
        try:
            host.adopt(start, self.size, *self.import_attach.priv.pages())
        except (OSError, KernelError) as error:
            host.free(start, self.size)
            raise KernelError(errno.ENOMEM, f"pages of a dma-buf: {error}") from error
        self.host = start

    def release_pages(self) -> None:
        """Give its bytes back; what clients have mapped they keep."""
        self._set_settled(True)
        if self.host >= 0:
            self.adev.gpu.memory.host.free(self.host, self.size)
            self.host = -1
        if self.user_pages is not None:
            self.user_pages.release()
            self.user_pages = None
        if self._exporter is not None:
            del self._exporter.attachments[self]
            self._exporter.put()
            self._exporter = None

    def mmap(self, offset: int, length: int, prot: int, flags: int) -> tuple[int, int]:
        """Host descriptor and offset to map (amdgpu_gem_object_mmap, ttm_bo_mmap_obj).

        EPERM for a BO without CPU access or of a client's memory, EINVAL for a private copy. The client maps the
        bytes themselves and cannot be made to fault later: mapping counts as one access of the CPU.
        """
        if self.user_pages is not None or self.flags & drm.AMDGPU_GEM_CREATE_NO_CPU_ACCESS:
            raise KernelError(errno.EPERM, "no CPU access")
        if self.import_attach is not None:
            # The kernel lets it be mapped, and every access then ends in SIGBUS (ttm_bo_vm_reserve).
            self.adev.err("an imported buffer can only be mapped by way of its dma-buf")
            raise KernelError(errno.EINVAL, "imported")
        if prot and flags & _MAP_TYPE == mmap.MAP_PRIVATE:
            raise KernelError(errno.EINVAL, "a private mapping")
        amdgpu_bo_fault_reserve_notify(self)
        fd, start = self.pages()
        return fd, start + offset

    def pages(self) -> tuple[int, int]:
        """Host descriptor of its bytes and the offset in it; ENOMEM when it cannot get a file of its own."""
        try:
            return self.adev.gpu.memory.host.file_of(self.host, self.size), 0
        except OSError as error:
            raise KernelError(errno.ENOMEM, f"no file for a buffer: {error}") from error

    def free(self) -> None:
        """The last reference is gone (amdgpu_gem_object_free): its memory goes when nothing in flight needs it.

        What is pending on a shared reservation object counts, too (ttm_bo_individualize_resv): an always-valid BO
        outlives all jobs of its VM.
        """
        pending = list(self.resv.iter(DMA_RESV_USAGE_BOOKKEEP))
        # The exporter is needed for as long as the memory.
        self._exporter, self.import_attach = self.import_attach, None
        super().free()
        wipe = amdgpu_bo_release_notify(self, pending)
        ttm_bo_release(self, pending if wipe is None else [wipe])


def amdgpu_bo_placement_from_domain(bo: AmdgpuBo, domain: int) -> list[TtmPlace]:
    """Where a buffer may be, best first.

    Leaves out: partitions of VRAM, CONTIGUOUS, and the preemptible heap.
    """
    wants_cpu = bool(bo.flags & drm.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED)
    # Where GTT is only the alternative, VRAM is filled up first; on a processor both are the same memory.
    gtt_is_fallback = (
        bo.resource is not NO_RESOURCE
        and bool(domain & bo.preferred_domains & drm.AMDGPU_GEM_DOMAIN_VRAM)
        and not bo.adev.identity.chip.apu
    )
    return _places(domain, wants_cpu, gtt_is_fallback)


@cache
def _places(domain: int, wants_cpu: bool, gtt_is_fallback: bool) -> list[TtmPlace]:
    places = []
    if domain & drm.AMDGPU_GEM_DOMAIN_VRAM:
        places.append(TtmPlace(TTM_PL_VRAM, 0, VISIBLE if wants_cpu else ANYWHERE))
    if domain & drm.AMDGPU_GEM_DOMAIN_DOORBELL:
        places.append(TtmPlace(AMDGPU_PL_DOORBELL))
    if domain & drm.AMDGPU_GEM_DOMAIN_GTT:
        places.append(TtmPlace(TTM_PL_TT, TTM_PL_FLAG_FALLBACK if gtt_is_fallback else 0))
    places += [place for bit, place in _PLACE_OF if domain & bit]
    return places or [TtmPlace(TTM_PL_SYSTEM)]


def amdgpu_bo_fence(bo: AmdgpuBo, fence: DmaFence, shared: bool) -> None:
    """Add a fence to a buffer: READ if ``shared``, else WRITE."""
    bo.resv.add_fence(fence, DMA_RESV_USAGE_READ if shared else DMA_RESV_USAGE_WRITE)


def amdgpu_bo_fault_reserve_notify(bo: AmdgpuBo) -> None:
    """The CPU accesses a buffer: move it to where it can, without evicting others.

    Does nothing to one that somebody has locked; the kernel's page fault would wait.

    Leaves out: SIGBUS for what cannot be brought to where the CPU reaches.
    """
    mman = bo.adev.mman
    bo.flags |= drm.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED
    bo.update_settled()
    if bo.cpu_visible or bo.pin_count or bo.resv.locked:
        return
    mman.num_vram_cpu_page_faults += 1
    places = [TtmPlace(TTM_PL_VRAM, TTM_PL_FLAG_DESIRED, VISIBLE), TtmPlace(TTM_PL_TT)]
    resource = try_alloc(bo, places)
    if resource is not None:
        mman.copy(bo, False, resource)


def amdgpu_bo_release_notify(bo: AmdgpuBo, pending: list[DmaFence]) -> DmaFence | None:
    """Queue the wipe of a dead buffer in VRAM, behind everything that may still use it.

    Leaves out: eviction fences of KFD, and noting that the pages are clear now.
    """
    if (
        bo.resource.mem_type != TTM_PL_VRAM
        or not bo.flags & drm.AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE
        or bo.adev.ddev.unplugged
    ):
        return None
    return amdgpu_fill_buffer(bo, pending)


def amdgpu_bo_set_tiling_flags(bo: AmdgpuBo, tiling_flags: int) -> None:
    """Keep how a buffer is tiled; EINVAL for a tile split that the display engine cannot be told."""
    tile_split = tiling_flags >> AMDGPU_TILING_TILE_SPLIT_SHIFT & AMDGPU_TILING_TILE_SPLIT_MASK
    if bo.adev.identity.chip.family <= AMDGPU_FAMILY_CZ and tile_split > _TILE_SPLIT_MAX:
        raise KernelError(errno.EINVAL, f"tile split {tile_split}")
    bo.tiling_flags = tiling_flags
