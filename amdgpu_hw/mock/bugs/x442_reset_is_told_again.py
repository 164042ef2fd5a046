# SPDX-License-Identifier: MIT
"""QUERY_STATE does not remember that it has told of a reset: ctx->reset_counter_query is not brought up to date.

An application that makes everything anew after each answer never gets further.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtx, _amdgpu_ctx_query
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O101",))


@replaces(_amdgpu_ctx_query)
def query(original: Original, ctx: AmdgpuCtx) -> int:
    before = ctx.reset_counter_query
    status: int = original(ctx)
    ctx.reset_counter_query = before
    return status
