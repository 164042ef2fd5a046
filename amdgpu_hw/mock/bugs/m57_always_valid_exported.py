# SPDX-License-Identifier: MIT
"""An always-valid buffer can be exported."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu import amdgpu_dma_buf
from amdgpu_hw.mock.kernel.dma_buf.dma_buf import DmaBuf
from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject
from amdgpu_hw.mock.kernel.drm.drm_prime import drm_gem_prime_export
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T09",))


@replaces(amdgpu_dma_buf.amdgpu_gem_prime_export)
def prime_export(original: Original, obj: DrmGemObject, flags: int) -> DmaBuf:
    return drm_gem_prime_export(obj, flags)
