# SPDX-License-Identifier: MIT
"""A discardable buffer loses its content when it is evicted, whatever jobs still use it.

ttm_bo_evict waits (ttm_bo_wait_ctx) before it calls ttm_bo_pipeline_gutting; "nobody needs the content" is true of
those who submit later. A job in flight that reads such a buffer after VRAM was emptied finds zeros.
"""

from __future__ import annotations

from typing import cast

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import ttm_bo_wait_ctx
from amdgpu_hw.mock.kernel.ttm.types import TtmBufferObject, TtmOperationCtx
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_CREATE_DISCARDABLE

BUG = Bug(caught_by=("O57",))


@replaces(ttm_bo_wait_ctx)
def wait_ctx(original: Original, bo: TtmBufferObject, ctx: TtmOperationCtx) -> Blocking[None]:
    if not cast("AmdgpuBo", bo).flags & AMDGPU_GEM_CREATE_DISCARDABLE:
        yield from original(bo, ctx)
