# SPDX-License-Identifier: MIT
"""Dumb buffers on amdgpu: amdgpu_mode_dumb_create of amdgpu_gem.c."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import drm_to_adev
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.create import amdgpu_bo_create
from amdgpu_hw.mock.kernel.drm.drm_gem import drm_gem_handle_create
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile

__all__ = ("amdgpu_gem_align_pitch", "amdgpu_mode_dumb_create")

_PITCH_MASK = {1: 255, 2: 127, 3: 63, 4: 63}
"""Bytes per pixel -> the display engine's pitch alignment in pixels, less one."""

_FLAGS = (
    drm.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED
    | drm.AMDGPU_GEM_CREATE_CPU_GTT_USWC
    | drm.AMDGPU_GEM_CREATE_VRAM_CLEARED
    | drm.AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE
)
_DOMAINS = drm.AMDGPU_GEM_DOMAIN_VRAM | drm.AMDGPU_GEM_DOMAIN_GTT


def amdgpu_gem_align_pitch(width: int, bytes_per_pixel: int) -> int:
    """Return the pitch in bytes of a line of ``width`` pixels.

    Leaves out: Linux 7.3's checks for overflow of 32 bits.
    """
    mask = _PITCH_MASK.get(bytes_per_pixel, 0)
    return (width + mask & ~mask) * bytes_per_pixel


def amdgpu_mode_dumb_create(filp: DrmFile, dev: DrmDevice, width: int, height: int, bpp: int) -> tuple[int, int, int]:
    """Make a buffer for simple pictures; returns handle, pitch and size in bytes.

    ENOMEM when it does not fit. Nothing is evicted for it: with GTT as the alternative that would take full memory.

    Leaves out: choosing the domain by what the display engine can scan out, and VRAM_CONTIGUOUS.
    """
    pitch = amdgpu_gem_align_pitch(width, -(-bpp // 8))
    size = pitch * height + 4095 & ~4095
    try:
        bo = amdgpu_bo_create(drm_to_adev(dev), size, 0, _DOMAINS, _FLAGS)
    except KernelError as error:
        raise KernelError(errno.ENOMEM, error.why) from error
    try:
        return drm_gem_handle_create(filp, bo), pitch, size
    finally:
        bo.put()
