# SPDX-License-Identifier: MIT
"""The virtual GEM driver: include/uapi/drm/vgem_drm.h."""

from __future__ import annotations

from amdgpu_hw.uapi.layout import Struct, iow, iowr

VGEM_FENCE_WRITE = 1 << 0

FENCE_TIMEOUT_NS = 10_000_000_000
"""An attached fence signals by itself after this long (VGEM_FENCE_TIMEOUT in drivers/gpu/drm/vgem/vgem_fence.c)."""

FENCE_ATTACH = Struct("drm_vgem_fence_attach", "u32 handle; u32 flags; u32 out_fence; u32 pad")
FENCE_SIGNAL = Struct("drm_vgem_fence_signal", "u32 fence; u32 flags")

IOCTL_FENCE_ATTACH = iowr("DRM_IOCTL_VGEM_FENCE_ATTACH", "d", 0x41, FENCE_ATTACH)
IOCTL_FENCE_SIGNAL = iow("DRM_IOCTL_VGEM_FENCE_SIGNAL", "d", 0x42, FENCE_SIGNAL)
