# SPDX-License-Identifier: MIT
"""Where a buffer is wanted: what the next submission moves that lists it, or owns it."""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer
from amdgpu_hw.uapi import amdgpu_drm as uapi

__all__ = ("place",)


def place(gpu: Gpu, buffer: Buffer, domain: int) -> None:
    """Have the next submission move a buffer to a domain, AMDGPU_GEM_DOMAIN_*, that it was allowed when it was made."""
    gpu.ioctl(uapi.IOCTL_AMDGPU_GEM_OP, handle=buffer.handle, op=uapi.AMDGPU_GEM_OP_SET_PLACEMENT, value=domain)
