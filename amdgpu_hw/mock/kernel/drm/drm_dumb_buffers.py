# SPDX-License-Identifier: MIT
"""Dumb buffers: plain memory from any driver (drivers/gpu/drm/drm_dumb_buffers.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.drm.drm_gem import drm_gem_handle_delete, drm_gem_object_lookup
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import drm as uapi

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("drm_mode_create_dumb_ioctl", "drm_mode_destroy_dumb_ioctl", "drm_mode_mmap_dumb_ioctl")

_U32_MAX = 0xFFFF_FFFF


def drm_mode_create_dumb_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """MODE_CREATE_DUMB: ENOSYS without driver support, EINVAL for a size of 0 or beyond 4 GiB.

    Leaves out: zeroing handle, pitch and size after an error.
    """
    if dev.driver.dumb_create is None:
        raise KernelError(errno.ENOSYS, f"{dev.driver.name} has no dumb buffers")
    height, width, bpp, flags, *_ = uapi.MODE_CREATE_DUMB.unpack_from(data)
    if not (width and height and bpp):
        raise KernelError(errno.EINVAL, f"{width}x{height}, {bpp} bit")
    stride = -(-bpp // 8) * width
    if bpp > _U32_MAX - 8 or stride > _U32_MAX or height * stride > _U32_MAX - PAGE_SIZE + 1:
        raise KernelError(errno.EINVAL, f"{width}x{height}, {bpp} bit does not fit in 32 bit")
    handle, pitch, size = dev.driver.dumb_create(filp, dev, width, height, bpp)
    uapi.MODE_CREATE_DUMB.pack_into(data, 0, height, width, bpp, flags, handle, pitch, size)
    return 0


def drm_mode_mmap_dumb_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """MODE_MAP_DUMB: ENOSYS without driver support, ENOENT for an unknown handle, EINVAL for an imported buffer.

    Leaves out: zeroing the offset after an error.
    """
    if dev.driver.dumb_create is None:
        raise KernelError(errno.ENOSYS, f"{dev.driver.name} has no dumb buffers")
    handle, pad, _ = uapi.MODE_MAP_DUMB.unpack_from(data)
    obj = drm_gem_object_lookup(filp, handle)
    if obj is None:
        raise KernelError(errno.ENOENT, f"handle {handle}")
    if obj.import_attach is not None:
        raise KernelError(errno.EINVAL, "imported")
    uapi.MODE_MAP_DUMB.pack_into(data, 0, handle, pad, obj.mmap_offset)
    return 0


def drm_mode_destroy_dumb_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int | Blocking[int]:
    """MODE_DESTROY_DUMB: as GEM_CLOSE, but ENOSYS without driver support."""
    if dev.driver.dumb_create is None:
        raise KernelError(errno.ENOSYS, f"{dev.driver.name} has no dumb buffers")
    (handle,) = uapi.MODE_DESTROY_DUMB.unpack_from(data)
    return drm_gem_handle_delete(filp, handle)
