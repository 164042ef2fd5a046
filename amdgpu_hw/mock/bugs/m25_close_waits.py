# SPDX-License-Identifier: MIT
"""GEM_CLOSE waits for the submissions in flight before it returns."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.gem import amdgpu_gem_object_close
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B39",), slow=True)


@replaces(amdgpu_gem_object_close)
def object_close(original: Original, obj: DrmGemObject, filp: DrmFile) -> Blocking[None] | None:
    return _close(original, obj, filp)


def _close(original: Original, obj: DrmGemObject, filp: DrmFile) -> Blocking[None]:
    yield from filp.driver_priv.vm.root_resv.wait(DMA_RESV_USAGE_READ, False)
    closing: Blocking[None] | None = original(obj, filp)
    if closing is not None:
        yield from closing
