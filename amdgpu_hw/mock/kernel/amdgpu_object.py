# SPDX-License-Identifier: MIT
"""Buffer objects of amdgpu: amdgpu_object.c, and of TTM what belongs to a buffer's birth and death (ttm_bo.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu_ttm import (
    AMDGPU_PL_SYSTEM,
    AMDGPU_PL_TT,
    AMDGPU_PL_VRAM,
    AmdgpuTtm,
    TtmResource,
    amdgpu_fill_buffer,
    amdgpu_ttm_clear_buffer,
)
from amdgpu_hw.mock.kernel.dma_resv import (
    DMA_RESV_USAGE_BOOKKEEP,
    DMA_RESV_USAGE_KERNEL,
    DMA_RESV_USAGE_READ,
    DMA_RESV_USAGE_WRITE,
    DmaResv,
)
from amdgpu_hw.mock.kernel.drm_gem import DrmGemObject
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi.amdgpu_drm import (
    AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED,
    AMDGPU_GEM_CREATE_DISCARDABLE,
    AMDGPU_GEM_CREATE_NO_CPU_ACCESS,
    AMDGPU_GEM_CREATE_VRAM_CLEARED,
    AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE,
    AMDGPU_GEM_DOMAIN_CPU,
    AMDGPU_GEM_DOMAIN_DOORBELL,
    AMDGPU_GEM_DOMAIN_GDS,
    AMDGPU_GEM_DOMAIN_GTT,
    AMDGPU_GEM_DOMAIN_GWS,
    AMDGPU_GEM_DOMAIN_OA,
    AMDGPU_GEM_DOMAIN_VRAM,
)

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu_device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu_vm_types import AmdgpuBoVa, AmdgpuVm
    from amdgpu_hw.mock.kernel.dma_fence import DmaFence

__all__ = (
    "AmdgpuBo",
    "amdgpu_bo_create",
    "amdgpu_bo_fence",
    "amdgpu_bo_release_notify",
    "amdgpu_bo_validate_size",
)

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT

_ON_CHIP = AMDGPU_GEM_DOMAIN_GDS | AMDGPU_GEM_DOMAIN_GWS | AMDGPU_GEM_DOMAIN_OA

_DOMAIN_OF = {
    AMDGPU_PL_SYSTEM: AMDGPU_GEM_DOMAIN_CPU,
    AMDGPU_PL_TT: AMDGPU_GEM_DOMAIN_GTT,
    AMDGPU_PL_VRAM: AMDGPU_GEM_DOMAIN_VRAM,
}


class AmdgpuBo(DrmGemObject):
    """`struct amdgpu_bo`: a buffer, where it is, and the address spaces it is attached to.

    ``flags`` are the kernel's own, not only what user space asked for. An always-valid BO shares the reservation
    object of its VM's root directory.
    """

    __slots__ = (
        "adev",
        "alignment",
        "allowed_domains",
        "flags",
        "metadata",
        "metadata_flags",
        "preferred_domains",
        "resource",
        "tiling_flags",
        "vm_bo",
    )

    def __init__(
        self,
        adev: AmdgpuDevice,
        resource: TtmResource,
        alignment: int,
        preferred_domains: int,
        flags: int,
        resv: DmaResv | None,
    ) -> None:
        super().__init__(adev.ddev, resource.size, resv)
        self.adev = adev
        self.resource = resource
        self.alignment = alignment
        """In bytes."""
        self.preferred_domains = preferred_domains
        self.allowed_domains = preferred_domains
        if preferred_domains == AMDGPU_GEM_DOMAIN_VRAM and not flags & AMDGPU_GEM_CREATE_DISCARDABLE:
            self.allowed_domains |= AMDGPU_GEM_DOMAIN_GTT
        self.flags = flags
        self.tiling_flags = 0
        self.metadata = b""
        self.metadata_flags = 0
        self.vm_bo: dict[AmdgpuVm, AmdgpuBoVa] = {}

    @property
    def address(self) -> int:
        """Where the buffer starts in `GpuMemory`, in bytes."""
        return self.resource.start

    @property
    def domain(self) -> int:
        """The AMDGPU_GEM_DOMAIN_* it is in."""
        return _DOMAIN_OF[self.resource.mem_type]

    @property
    def gpu_accessible(self) -> bool:
        """Whether page tables can point to it: it is in VRAM or GTT."""
        return self.resource.mem_type != AMDGPU_PL_SYSTEM

    @property
    def in_preferred_domain(self) -> bool:
        """Whether it is where it was asked to be."""
        return bool(self.preferred_domains & self.domain)

    def is_always_valid(self, vm: AmdgpuVm) -> bool:
        """Whether the BO belongs to ``vm`` for good (amdgpu_vm_is_bo_always_valid)."""
        return self.resv is vm.root_resv

    def mmap(self, offset: int, length: int, prot: int, flags: int) -> tuple[int, int]:
        """Host descriptor and offset to map; EPERM for a BO without CPU access (amdgpu_gem_object_mmap)."""
        if self.flags & AMDGPU_GEM_CREATE_NO_CPU_ACCESS:
            raise KernelError(errno.EPERM, "NO_CPU_ACCESS")
        return self.adev.mman.memory.fd, self.resource.start + offset

    def free(self) -> None:
        """The last reference is gone (amdgpu_gem_object_free)."""
        super().free()
        ttm_bo_release(self)


def amdgpu_bo_validate_size(mman: AmdgpuTtm, size: int, domain: int) -> bool:
    """Whether a buffer of ``size`` bytes could ever fit; GTT decides where it is an alternative."""
    if domain & AMDGPU_GEM_DOMAIN_GTT:
        return size < mman.gtt_size
    return not domain & AMDGPU_GEM_DOMAIN_VRAM or size < mman.vram_size


def _amdgpu_bo_placement_from_domain(domain: int) -> list[int]:
    """Placements to try, best first (amdgpu_bo_placement_from_domain)."""
    places = []
    if domain & AMDGPU_GEM_DOMAIN_VRAM:
        places.append(AMDGPU_PL_VRAM)
    if domain & (AMDGPU_GEM_DOMAIN_GTT | AMDGPU_GEM_DOMAIN_DOORBELL):
        # Doorbells are a part of the PCI aperture that only user queues write to; any page will do here.
        places.append(AMDGPU_PL_TT)
    # GDS, GWS and OA are fetched when a submission names them: until then a BO of theirs has system pages.
    if domain & (AMDGPU_GEM_DOMAIN_CPU | _ON_CHIP) or not places:
        places.append(AMDGPU_PL_SYSTEM)
    return places


def amdgpu_bo_create(
    adev: AmdgpuDevice, size: int, byte_align: int, domain: int, flags: int, resv: DmaResv | None
) -> AmdgpuBo:
    """Create a buffer; ENOMEM when no allowed placement has room, ENOSPC for size 0.

    ``size`` and ``byte_align`` in bytes, for GDS, GWS and OA in units of a page each. ``resv``: share this
    reservation object instead of having one.
    """
    if domain & (AMDGPU_GEM_DOMAIN_GWS | AMDGPU_GEM_DOMAIN_OA):
        align, size = max(byte_align, 1) << PAGE_SHIFT, size << PAGE_SHIFT
    elif domain & AMDGPU_GEM_DOMAIN_GDS:
        align, size = (max(byte_align, 1) + 3 & ~3) << PAGE_SHIFT, (size + 3 & ~3) << PAGE_SHIFT
    else:
        align, size = max(byte_align + PAGE_SIZE - 1 & -PAGE_SIZE, PAGE_SIZE), size + PAGE_SIZE - 1 & -PAGE_SIZE
    mman = adev.mman
    if not amdgpu_bo_validate_size(mman, size, domain):
        raise KernelError(errno.ENOMEM, f"{size:#x} bytes cannot fit into domain {domain:#x}")
    if size == 0:
        raise KernelError(errno.ENOSPC, "no mmap offset for an empty buffer")  # drm_vma_offset_add

    cpu_access = bool(flags & AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED)
    for place in _amdgpu_bo_placement_from_domain(domain):
        resource = mman.alloc(place, size, align, cpu_access)
        if resource is not None:
            break
    else:
        raise KernelError(errno.ENOMEM, f"no room for {size:#x} bytes in domain {domain:#x}")

    # From here on CPU access is no more than a hint.
    bo = AmdgpuBo(adev, resource, align, domain, flags & ~AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED, resv)
    if flags & AMDGPU_GEM_CREATE_VRAM_CLEARED and resource.mem_type == AMDGPU_PL_VRAM:
        # For an always-valid BO that is the root directory's reservation object: the clear waits for every job of
        # the VM, and every later page-table job for the clear (E2).
        fence = amdgpu_ttm_clear_buffer(mman, resource, bo.resv.iter(DMA_RESV_USAGE_BOOKKEEP))
        bo.resv.add_fence(fence, DMA_RESV_USAGE_KERNEL)
    return bo


def amdgpu_bo_fence(bo: AmdgpuBo, fence: DmaFence, shared: bool) -> None:
    """Add a fence to a buffer: READ if ``shared``, else WRITE."""
    bo.resv.add_fence(fence, DMA_RESV_USAGE_READ if shared else DMA_RESV_USAGE_WRITE)


def ttm_bo_release(bo: AmdgpuBo) -> None:
    """Give the memory of a dead buffer back once nothing in flight reaches it any more, and its wipe is done."""
    # ttm_bo_individualize_resv: it takes along what is pending on a shared object too, so an always-valid BO
    # outlives all jobs of its VM.
    pending = list(bo.resv.iter(DMA_RESV_USAGE_BOOKKEEP))
    wipe = amdgpu_bo_release_notify(bo, pending)
    if wipe is not None:
        pending = [wipe]
    _free_after(bo.adev.mman, bo.resource, pending)


def amdgpu_bo_release_notify(bo: AmdgpuBo, pending: list[DmaFence]) -> DmaFence | None:
    """Queue the wipe of a dead buffer in VRAM, behind everything that may still use it."""
    if (
        bo.resource.mem_type != AMDGPU_PL_VRAM
        or not bo.flags & AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE
        or bo.adev.ddev.unplugged
    ):
        return None
    return amdgpu_fill_buffer(bo.adev.mman, bo.resource, pending)


def _free_after(mman: AmdgpuTtm, resource: TtmResource, pending: list[DmaFence]) -> None:
    """Free memory when the last of ``pending`` has signalled (ttm_bo_delayed_delete)."""
    while pending:
        if pending[-1].add_callback(lambda _fence: _free_after(mman, resource, pending)):
            return
        pending.pop()
    mman.free(resource)
