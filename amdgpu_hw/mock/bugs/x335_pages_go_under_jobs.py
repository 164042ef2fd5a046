# SPDX-License-Identifier: MIT
"""A buffer goes out of the GPU's reach at once, whatever jobs still use it.

Between 6.1 and 6.12 amdgpu_bo_move learned to wait before it takes a buffer's pages out of the GART on their way from
GTT to GTT; this is the same on their way to what the GPU does not reach.
"""

from __future__ import annotations

from typing import cast

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ttm import AmdgpuMman
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import ttm_bo_move_null
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TTM_PL_SYSTEM, TTM_PL_TT, TtmResource
from amdgpu_hw.mock.kernel.ttm.types import TtmBufferObject, TtmOperationCtx
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O83",))


@replaces(AmdgpuMman.move)
def move(
    original: Original, self: AmdgpuMman, bo: TtmBufferObject, evict: bool, ctx: TtmOperationCtx, new: TtmResource
) -> Blocking[None]:
    if bo.resource.mem_type != TTM_PL_TT or new.mem_type != TTM_PL_SYSTEM:
        yield from original(self, bo, evict, ctx, new)
        return
    cast("AmdgpuBo", bo).move_notify(evict)
    ttm_bo_move_null(bo, new)
