# SPDX-License-Identifier: MIT
"""Sharing buffers of amdgpu: amdgpu_dma_buf.c.

A buffer of another device cannot be imported: its memory is not in this GPU's `GpuMemory`.
"""

from __future__ import annotations

import errno

from amdgpu_hw.mock.kernel.dma_buf import DmaBuf
from amdgpu_hw.mock.kernel.drm_gem import DrmGemObject
from amdgpu_hw.mock.kernel.drm_prime import drm_gem_prime_export
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_CREATE_VM_ALWAYS_VALID

__all__ = ("amdgpu_gem_prime_export",)


def amdgpu_gem_prime_export(obj: DrmGemObject, flags: int) -> DmaBuf:
    """Make a buffer's dma-buf; EPERM for an always-valid one, which belongs to one address space."""
    bo_flags: int = obj.flags  # type: ignore[attr-defined]  # amdgpu's objects are AmdgpuBo
    if bo_flags & AMDGPU_GEM_CREATE_VM_ALWAYS_VALID:
        raise KernelError(errno.EPERM, "always-valid BO")
    return drm_gem_prime_export(obj, flags)
