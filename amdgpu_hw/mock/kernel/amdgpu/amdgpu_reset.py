# SPDX-License-Identifier: MIT
"""Which resets there are, and which of them a GPU can do (amdgpu_reset.h, and the masks of the IP versions).

What happens when a job does not end is in `amdgpu_job`: dump, soft recovery, reset of its ring (`amdgpu_ring`), reset
of the GPU (`amdgpu_device.recover`); see KERNEL.md 4.7. The model has no virtual functions, no xGMI hives and no RAS,
so their parts of these functions are left out.
"""

from __future__ import annotations

from enum import Flag, IntEnum, auto
from typing import TYPE_CHECKING

from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing

__all__ = ("ResetSource", "ResetType", "reset_masks", "supported_resets")


class ResetSource(IntEnum):
    """`enum AMDGPU_RESET_SRCS`, as far as there are any here."""

    JOB = 1
    USER = 5
    """Somebody read amdgpu_gpu_recover in debugfs."""


class ResetType(Flag):
    """What can be reset (AMDGPU_RESET_TYPE_*)."""

    FULL = auto()
    SOFT_RESET = auto()
    """Shaders of a hung job can be killed."""
    PER_QUEUE = auto()


_SDMA_WITH_QUEUE_RESET = frozenset(
    # sdma_v4_4_2_update_reset_mask, sdma_v5_0_sw_init, sdma_v5_2_sw_init, sdma_v6_0_sw_init; all of SDMA 7 as well.
    (
        *((4, 4, 2), (4, 4, 4), (4, 4, 5)),
        *((5, 0, 0), (5, 0, 2), (5, 0, 5)),
        *((5, 2, 0), (5, 2, 2), (5, 2, 3), (5, 2, 4), (5, 2, 5)),
        *((6, 0, 0), (6, 0, 2), (6, 0, 3)),
    )
)


def supported_resets(ring: AmdgpuRing) -> ResetType:
    """Tell how a hung ring can be got going again (amdgpu_ring_is_reset_type_supported)."""
    adev = ring.adev
    variant, gc, sdma = adev.variant, adev.identity.gc_version, adev.identity.sdma_version
    supported = ResetType.FULL if adev.gpu_recovery else ResetType(0)
    is_shader_engine = ring.hw_ip in (drm.AMDGPU_HW_IP_GFX, drm.AMDGPU_HW_IP_COMPUTE)
    kills_waves = gc < (10,) or variant.soft_recovery_on_rdna
    if is_shader_engine and kills_waves and not adev.debug_disable_soft_recovery:
        supported |= ResetType.SOFT_RESET
    if ring.hw_ip == drm.AMDGPU_HW_IP_GFX:
        by_queue = gc >= variant.gfx_ring_reset_since
    elif ring.hw_ip == drm.AMDGPU_HW_IP_COMPUTE:
        by_queue = gc >= (9,)
    else:
        by_queue = variant.has_sdma_ring_reset and (sdma in _SDMA_WITH_QUEUE_RESET or sdma >= (7,))
    # It also takes firmware that is recent enough, which the GPU's description stands for.
    if by_queue and adev.identity.chip.ring_reset and not adev.debug_disable_gpu_ring_reset:
        supported |= ResetType.PER_QUEUE
    return supported


def reset_masks(adev: AmdgpuDevice) -> dict[str, str]:
    """Return what the files ``*_reset_mask`` of the device say (amdgpu_show_reset_mask); none on older kernels."""
    if not adev.variant.has_reset_masks:
        return {}
    kinds = {"gfx": drm.AMDGPU_HW_IP_GFX, "compute": drm.AMDGPU_HW_IP_COMPUTE, "sdma": drm.AMDGPU_HW_IP_DMA}
    masks = {}
    for name, hw_ip in kinds.items():
        ring = next((ring for ring in adev.rings if ring.hw_ip == hw_ip), None)
        if ring is not None:
            masks[f"{name}_reset_mask"] = _show_reset_mask(supported_resets(ring), adev.variant.soft_recovery_word)
    return masks


def _show_reset_mask(supported: ResetType, soft_recovery: str) -> str:
    """Leaves out: pipes, which GC 9.4.3 can reset."""
    if not supported:
        return "unsupported\n"
    words = {
        ResetType.SOFT_RESET: f"{soft_recovery} ",
        ResetType.PER_QUEUE: "queue ",
        ResetType.FULL: "full ",
    }
    return "".join(word for kind, word in words.items() if kind in supported) + "\n"
