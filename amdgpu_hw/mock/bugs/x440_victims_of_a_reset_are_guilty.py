# SPDX-License-Identifier: MIT
"""QUERY_STATE2 calls every context guilty that is older than the last reset, not only the one that hung.

Who is guilty is not given another context by its application, or is closed (GL_ARB_robustness).
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtx, _amdgpu_ctx_query2
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("O100",))


@replaces(_amdgpu_ctx_query2)
def query2(original: Original, ctx: AmdgpuCtx) -> int:
    flags: int = original(ctx)
    return flags | drm.AMDGPU_CTX_QUERY2_FLAGS_GUILTY if flags & drm.AMDGPU_CTX_QUERY2_FLAGS_RESET else flags
