# SPDX-License-Identifier: MIT
"""Buffers made of a client's own memory: amdgpu_gem_userptr_ioctl of amdgpu_gem.c."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import drm_to_adev
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_hmm import UserPages, amdgpu_hmm_register
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.create import amdgpu_bo_create
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import amdgpu_bo_placement_from_domain
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ttm import amdgpu_ttm_tt_get_user_pages
from amdgpu_hw.mock.kernel.drm.drm_gem import drm_gem_handle_create
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.kernel.ttm.ttm_bo.validate import ttm_bo_validate
from amdgpu_hw.mock.kernel.ttm.types import TtmOperationCtx
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi.amdgpu_drm import (
    AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE,
    AMDGPU_GEM_DOMAIN_CPU,
    AMDGPU_GEM_DOMAIN_GTT,
    AMDGPU_GEM_USERPTR_ANONONLY,
    AMDGPU_GEM_USERPTR_READONLY,
    AMDGPU_GEM_USERPTR_REGISTER,
    AMDGPU_GEM_USERPTR_VALIDATE,
    GEM_USERPTR,
)

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("amdgpu_gem_userptr_ioctl",)

TASK_SIZE_MAX = (1 << 47) - PAGE_SIZE
"""What access_ok() lets pass."""

_FLAGS = (
    AMDGPU_GEM_USERPTR_READONLY
    | AMDGPU_GEM_USERPTR_ANONONLY
    | AMDGPU_GEM_USERPTR_VALIDATE
    | AMDGPU_GEM_USERPTR_REGISTER
)


def amdgpu_gem_userptr_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int | Blocking[int]:
    """DRM_IOCTL_AMDGPU_GEM_USERPTR: a BO of the caller's pages.

    EINVAL for what is not whole pages or an unknown flag, EACCES for writing without REGISTER, EOVERFLOW; with
    VALIDATE also EFAULT and EPERM of the pages, which otherwise come with the first submission.

    Leaves out: taking tags off the address.
    """
    adev = drm_to_adev(dev)
    addr, size, flags, _ = GEM_USERPTR.unpack_from(data)
    if (addr | size) % PAGE_SIZE:
        raise KernelError(errno.EINVAL, f"address {addr:#x} or size {size:#x} not page aligned")
    if adev.variant.userptr_checks_address and addr + size > TASK_SIZE_MAX:
        raise KernelError(errno.EFAULT, f"address {addr:#x} is not in user space")
    if flags & ~_FLAGS:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    if not flags & (AMDGPU_GEM_USERPTR_READONLY | AMDGPU_GEM_USERPTR_REGISTER):
        raise KernelError(errno.EACCES, "writable without REGISTER")
    wipe = AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE  # as of every buffer of a client
    bo = amdgpu_bo_create(adev, size, 0, AMDGPU_GEM_DOMAIN_CPU, wipe, own_pages=False)
    bo.label.pid, bo.label.comm = caller.pid, caller.comm
    bo.preferred_domains = bo.allowed_domains = AMDGPU_GEM_DOMAIN_GTT
    bo.update_settled()
    try:
        bo.user_pages = UserPages(caller, addr, flags, adev.err, one_vma=adev.variant.anonymous_userptr_is_one_vma)
        amdgpu_hmm_register(addr, bo.size)
        if flags & AMDGPU_GEM_USERPTR_VALIDATE:
            amdgpu_ttm_tt_get_user_pages(bo)
    except KernelError:
        bo.put()
        raise
    if flags & AMDGPU_GEM_USERPTR_VALIDATE:
        return _validate_pages(bo, data, filp)
    return _create_handle(bo, data, filp)


def _validate_pages(bo: AmdgpuBo, data: bytearray, filp: DrmFile) -> Blocking[int]:
    """Have the GPU reach the pages before anybody needs them; others may have to make room in GTT."""
    try:
        places = amdgpu_bo_placement_from_domain(bo, AMDGPU_GEM_DOMAIN_GTT)
        yield from ttm_bo_validate(bo, places, TtmOperationCtx())
    except BaseException:
        bo.put()
        raise
    return _create_handle(bo, data, filp)


def _create_handle(bo: AmdgpuBo, data: bytearray, filp: DrmFile) -> int:
    try:
        handle = drm_gem_handle_create(filp, bo)
    finally:
        bo.put()  # the handle has its own reference
    addr, size, flags, _ = GEM_USERPTR.unpack_from(data)
    GEM_USERPTR.pack_into(data, 0, addr, size, flags, handle)
    return 0
