# SPDX-License-Identifier: MIT
"""QUERY_STATE2 calls every context guilty that lost a job in a reset, not only the one that hung the GPU.

amdgpu_ctx_query2 without the guilty counter asks the entities: for any error of the last job in place of ETIME. Robust
programs then give up for what another one did.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtx, _last_job_timed_out
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=())


@replaces(_last_job_timed_out)
def last_job_timed_out(original: Original, ctx: AmdgpuCtx) -> bool:
    return any(centity.entity.error for centity in ctx.entities.values())
