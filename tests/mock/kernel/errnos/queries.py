# SPDX-License-Identifier: MIT
"""INFO (KERNEL.md 2.9): queries, their arguments, and the errno where there is room for the answer."""

from __future__ import annotations

import errno

from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info

__all__ = ("INFO_ROWS", "ROOM")

NEW, STABLE, OLD = "base", "6.18", "6.12"
ALL = (NEW, STABLE, OLD, "series-v1", "series-fixed")
GFX, COMPUTE, SDMA = drm.AMDGPU_HW_IP_GFX, drm.AMDGPU_HW_IP_COMPUTE, drm.AMDGPU_HW_IP_DMA
EINVAL, EFAULT = errno.EINVAL, errno.EFAULT

ROOM = 512
"""Bytes for an answer: more than any of them has."""

INFO_ROWS: tuple[tuple[str, int, tuple[int, ...], int, tuple[str, ...]], ...] = (
    ("no display", info.AMDGPU_INFO_CRTC_FROM_ID, (), EINVAL, ALL),
    ("unknown IP", info.AMDGPU_INFO_HW_IP_INFO, (10,), EINVAL, ALL),
    ("instance", info.AMDGPU_INFO_HW_IP_INFO, (GFX, 1), EINVAL, ALL),
    ("absent IP", info.AMDGPU_INFO_HW_IP_INFO, (drm.AMDGPU_HW_IP_UVD,), 0, ALL),
    ("unknown IP", info.AMDGPU_INFO_HW_IP_COUNT, (10,), EINVAL, ALL),
    ("absent IP", info.AMDGPU_INFO_HW_IP_COUNT, (drm.AMDGPU_HW_IP_UVD,), EINVAL, ALL),
    ("compute", info.AMDGPU_INFO_HW_IP_COUNT, (COMPUTE,), 0, ALL),
    ("firmware instance", info.AMDGPU_INFO_FW_VERSION, (info.AMDGPU_INFO_FW_GFX_ME, 1), EINVAL, ALL),
    ("unknown firmware", info.AMDGPU_INFO_FW_VERSION, (9,), EINVAL, ALL),
    ("third MEC", info.AMDGPU_INFO_FW_VERSION, (info.AMDGPU_INFO_FW_GFX_MEC, 0, 2), EINVAL, ALL),
    ("no such SDMA", info.AMDGPU_INFO_FW_VERSION, (info.AMDGPU_INFO_FW_SDMA, 0, 9), EINVAL, ALL),
    ("no such TA", info.AMDGPU_INFO_FW_VERSION, (info.AMDGPU_INFO_FW_TA, 0, 1), EINVAL, ALL),
    ("no such engine", info.AMDGPU_INFO_READ_MMR_REG, (0x263E, 1, 4), EINVAL, ALL),
    ("no such array", info.AMDGPU_INFO_READ_MMR_REG, (0x263E, 1, 0x200), EINVAL, ALL),
    ("too many registers", info.AMDGPU_INFO_READ_MMR_REG, (0x263E, 129, 0xFFFFFFFF), EINVAL, ALL),
    ("not on the list", info.AMDGPU_INFO_READ_MMR_REG, (0x1, 1, 0xFFFFFFFF), EFAULT, ALL),
    ("beyond the VBIOS", info.AMDGPU_INFO_VBIOS, (info.AMDGPU_INFO_VBIOS_IMAGE, 1 << 20), EINVAL, ALL),
    ("unknown part", info.AMDGPU_INFO_VBIOS, (9,), EINVAL, ALL),
    ("UVD handles", info.AMDGPU_INFO_NUM_HANDLES, (drm.AMDGPU_HW_IP_UVD,), errno.ENODATA, ALL),
    ("other handles", info.AMDGPU_INFO_NUM_HANDLES, (GFX,), EINVAL, ALL),
    ("sensor 0", info.AMDGPU_INFO_SENSOR, (0,), EINVAL, ALL),
    ("unknown sensor", info.AMDGPU_INFO_SENSOR, (99,), EINVAL, ALL),
    ("no RAS", info.AMDGPU_INFO_RAS_ENABLED_FEATURES, (), EINVAL, ALL),
    ("neither decode nor encode", info.AMDGPU_INFO_VIDEO_CAPS, (2,), EINVAL, ALL),
    ("fault of nobody", info.AMDGPU_INFO_GPUVM_FAULT, (), 0, ALL),
    ("user queues of SDMA", info.AMDGPU_INFO_UQ_FW_AREAS, (SDMA,), EINVAL, ALL),
    ("user queues of GFX", info.AMDGPU_INFO_UQ_FW_AREAS, (GFX,), 0, (NEW, STABLE)),
    ("not before 6.16", info.AMDGPU_INFO_UQ_FW_AREAS, (GFX,), EINVAL, (OLD,)),
    ("never was", 0x04, (), EINVAL, ALL),
    ("not yet", 0x25, (), EINVAL, ALL),
)
