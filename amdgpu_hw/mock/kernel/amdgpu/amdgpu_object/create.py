# SPDX-License-Identifier: MIT
"""How buffers are made: amdgpu_bo_create of amdgpu_object.c."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.memory import MAX_ALLOCATION
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import (
    AmdgpuBo,
    amdgpu_bo_placement_from_domain,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ttm import AmdgpuMman, amdgpu_ttm_clear_buffer
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DMA_RESV_USAGE_KERNEL, DmaResv
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.fault_injection import AllocSite
from amdgpu_hw.mock.kernel.page import PAGE_SHIFT, PAGE_SIZE
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import ttm_bo_assign_mem
from amdgpu_hw.mock.kernel.ttm.ttm_bo.validate import try_alloc, ttm_bo_validate
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TTM_PL_VRAM, TtmPlace
from amdgpu_hw.mock.kernel.ttm.types import TtmBoType, TtmOperationCtx
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice

__all__ = ("amdgpu_bo_create", "amdgpu_bo_validate_size", "init_bo", "place_bo", "place_bo_evicting")

_ON_CHIP = drm.AMDGPU_GEM_DOMAIN_GDS | drm.AMDGPU_GEM_DOMAIN_GWS | drm.AMDGPU_GEM_DOMAIN_OA


def amdgpu_bo_validate_size(mman: AmdgpuMman, size: int, domain: int) -> bool:
    """Whether a buffer of ``size`` bytes could ever fit; GTT decides where it is an alternative."""
    if domain & drm.AMDGPU_GEM_DOMAIN_GTT:
        return size < mman.gtt_size
    if domain & drm.AMDGPU_GEM_DOMAIN_VRAM:
        return size < mman.vram_size
    return size <= MAX_ALLOCATION  # of which the kernel could not even allocate the page array


def amdgpu_bo_create(
    adev: AmdgpuDevice,
    size: int,
    byte_align: int,
    domain: int,
    flags: int,
    resv: DmaResv | None = None,
    *,
    kind: TtmBoType = TtmBoType.DEVICE,
    own_pages: bool = True,
) -> AmdgpuBo:
    """Create a buffer without evicting others: ENOMEM when there is no room. Arguments as of `init_bo`.

    Leaves out: partitions (xcp), buffers of the kernel, checking whether the CPU can do USWC, and the tracepoint.
    """
    bo = init_bo(adev, size, byte_align, domain, flags, resv, kind=kind, own_pages=own_pages)
    if not place_bo(bo):
        bo.put()
        raise KernelError(errno.ENOMEM, f"no room for {size:#x} bytes in domain {domain:#x}")
    return bo


def init_bo(
    adev: AmdgpuDevice,
    size: int,
    byte_align: int,
    domain: int,
    flags: int,
    resv: DmaResv | None,
    *,
    kind: TtmBoType = TtmBoType.DEVICE,
    own_pages: bool = True,
) -> AmdgpuBo:
    """Check a request and make a buffer that has no place yet.

    ``size`` and ``byte_align`` in bytes, for GDS, GWS and OA in units of a page each. ``resv``: share this
    reservation object, which is locked, instead of having one. ``own_pages``: not those of a client or of another
    device. ENOMEM for a size that can never fit, ENOSPC for 0.
    """
    if domain & (drm.AMDGPU_GEM_DOMAIN_GWS | drm.AMDGPU_GEM_DOMAIN_OA):
        align, size = max(byte_align, 1) << PAGE_SHIFT, size << PAGE_SHIFT
    elif domain & drm.AMDGPU_GEM_DOMAIN_GDS:
        align, size = (max(byte_align, 1) + 3 & ~3) << PAGE_SHIFT, (size + 3 & ~3) << PAGE_SHIFT
    else:
        align, size = max(byte_align + PAGE_SIZE - 1 & -PAGE_SIZE, PAGE_SIZE), size + PAGE_SIZE - 1 & -PAGE_SIZE
    size &= (1 << 64) - 1  # ALIGN() of an unsigned long: the largest sizes become 0
    adev.kernel.faults.alloc(AllocSite.BO)
    if not amdgpu_bo_validate_size(adev.mman, size, domain):
        raise KernelError(errno.ENOMEM, f"{size:#x} bytes cannot fit into domain {domain:#x}")
    if size == 0:
        raise KernelError(errno.ENOSPC, "no mmap offset for an empty buffer")  # drm_vma_offset_add
    bo = AmdgpuBo(adev, size, align, domain, flags, resv, kind)
    if own_pages and not domain & _ON_CHIP:
        start = adev.gpu.memory.host.alloc(size)
        if start is None:
            bo.put()
            raise KernelError(errno.ENOMEM, f"no {size:#x} bytes of address space for the host")
        bo.host = start
    return bo


def _places(bo: AmdgpuBo) -> list[TtmPlace]:
    # What is on the chip is fetched when a submission names the buffer.
    on_chip = bo.preferred_domains & _ON_CHIP
    return amdgpu_bo_placement_from_domain(bo, drm.AMDGPU_GEM_DOMAIN_CPU if on_chip else bo.preferred_domains)


def place_bo(bo: AmdgpuBo) -> bool:
    """Find a place for a new buffer without evicting others; False when there is none."""
    resource = try_alloc(bo, _places(bo))
    if resource is None:
        return False
    ttm_bo_assign_mem(bo, resource)
    _init_memory(bo, bo.size)
    return True


def place_bo_evicting(bo: AmdgpuBo) -> Blocking[None]:
    """As `place_bo`, evicting others where it must; ENOMEM when that is not enough."""
    ctx = TtmOperationCtx(resv=bo.resv, allow_res_evict=True)
    yield from ttm_bo_validate(bo, _places(bo), ctx)
    _init_memory(bo, ctx.bytes_moved)


def _init_memory(bo: AmdgpuBo, moved: int) -> None:
    """Finish a buffer that has found a place, for which ``moved`` bytes were moved; VRAM is cleared by a job."""
    mman = bo.adev.mman
    mman.mm_stats.report_moved(moved, moved if bo.cpu_visible and not mman.vram_full_visible else 0)
    if bo.flags & drm.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED:
        # From here on CPU access is no more than a hint.
        bo.flags &= ~drm.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED
        bo.update_settled()
    if bo.flags & drm.AMDGPU_GEM_CREATE_VRAM_CLEARED and bo.resource.mem_type == TTM_PL_VRAM:
        # For an always-valid BO that is the root directory's reservation object: the clear waits for every job of
        # the VM, and every later page-table job for the clear (E2).
        fence = amdgpu_ttm_clear_buffer(bo, bo.resv.iter(DMA_RESV_USAGE_BOOKKEEP))
        bo.resv.add_fence(fence, DMA_RESV_USAGE_KERNEL)
