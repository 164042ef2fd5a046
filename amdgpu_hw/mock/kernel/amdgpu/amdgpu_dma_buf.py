# SPDX-License-Identifier: MIT
"""Sharing buffers with other devices: amdgpu_dma_buf.c.

A buffer of this GPU keeps its identity wherever its dma-buf goes. One of another device, vgem or another GPU, gets a
BO of its own around the exporter's memory, which counts for GTT while it is bound. There is no peer-to-peer access
between GPUs: an exporter's buffer is moved to GTT when somebody else binds it.
"""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import drm_to_adev
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.create import amdgpu_bo_create
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import vm as amdgpu_vm
from amdgpu_hw.mock.kernel.dma_buf.dma_buf import DmaBuf
from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject
from amdgpu_hw.mock.kernel.drm.drm_prime import drm_gem_is_prime_exported_dma_buf, drm_gem_prime_export
from amdgpu_hw.mock.kernel.errno_ import KernelError, errno_name
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.kernel.ttm.ttm_bo_util import ttm_bo_pipeline_gutting
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TTM_PL_SYSTEM
from amdgpu_hw.mock.kernel.ttm.types import TtmBoType
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice

__all__ = ("amdgpu_dma_buf_move_notify", "amdgpu_gem_prime_export", "amdgpu_gem_prime_import")

_INHERITED = (
    drm.AMDGPU_GEM_CREATE_CPU_GTT_USWC
    | drm.AMDGPU_GEM_CREATE_COHERENT
    | drm.AMDGPU_GEM_CREATE_EXT_COHERENT
    | drm.AMDGPU_GEM_CREATE_UNCACHED
)


def amdgpu_gem_prime_export(obj: DrmGemObject, flags: int) -> DmaBuf:
    """Make a buffer's dma-buf; EPERM for user pages and for always-valid BOs, which belong to one address space.

    Leaves out: (7.3) populating the buffer's pages.
    """
    assert isinstance(obj, AmdgpuBo), "an object of another driver"
    if obj.user_pages is not None:
        raise KernelError(errno.EPERM, "userptr")
    if obj.flags & drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID:
        raise KernelError(errno.EPERM, "always-valid BO")
    return drm_gem_prime_export(obj, flags)


def amdgpu_gem_prime_import(dev: DrmDevice, dma_buf: DmaBuf) -> DrmGemObject:
    """Return the buffer behind a dma-buf of this GPU, or a new one around that of another device.

    The new one is bound when a submission first needs it.
    """
    if drm_gem_is_prime_exported_dma_buf(dev, dma_buf):
        return dma_buf.priv.get()
    other = dma_buf.priv
    flags = other.flags & _INHERITED if isinstance(other, AmdgpuBo) else 0
    bo = amdgpu_bo_create(
        drm_to_adev(dev),
        dma_buf.size,
        PAGE_SIZE,
        drm.AMDGPU_GEM_DOMAIN_CPU,
        flags | drm.AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE,
        dma_buf.resv,
        kind=TtmBoType.SG,
        own_pages=False,
    )
    bo.preferred_domains = bo.allowed_domains = drm.AMDGPU_GEM_DOMAIN_GTT
    bo.update_settled()
    bo.import_attach = dma_buf.get()
    dma_buf.attachments[bo] = partial(amdgpu_dma_buf_move_notify, bo)
    return bo


def amdgpu_dma_buf_move_notify(bo: AmdgpuBo) -> None:
    """The exporter's memory is going to be elsewhere: unbind the import and zero its page-table entries.

    Leaves out: sleeping for the directories of all importers with the exporter's ticket: only those that are free are
    updated.
    """
    amdgpu_vm.amdgpu_vm_bo_invalidate(bo, evicted=False)
    if bo.resource.mem_type == TTM_PL_SYSTEM:
        return
    ttm_bo_pipeline_gutting(bo)
    for vm in bo.vm_bo:
        # Where somebody else is updating the page tables, he comes across the change by himself.
        if vm.root_resv.trylock():
            try:
                _invalidate_page_tables(bo, vm)
            finally:
                vm.root_resv.unlock()


def _invalidate_page_tables(bo: AmdgpuBo, vm: AmdgpuVm) -> None:
    ctx = amdgpu_vm.AmdgpuVmUpdateCtx(bo.adev, vm)
    try:
        amdgpu_vm.amdgpu_vm_delayed_free(ctx)
        # Not with what is locked: then entries would be written that jobs of this address space still use.
        amdgpu_vm.amdgpu_vm_handle_moved(ctx, ())
    except KernelError as error:
        if error.errno != errno.EBUSY:
            bo.adev.err(f"*ERROR* Failed to invalidate VM page tables (-{errno_name(error.errno)})")
    finally:
        amdgpu_vm.amdgpu_vm_update_ctx_fini(ctx)
