# SPDX-License-Identifier: MIT
"""A context whose last job was cancelled by a reset that another has caused is told that it is guilty.

amdgpu_ctx_query2 asks drm_sched_entity_error for any error and not for ETIME, since `guilty` is not kept any more.
After a reset of the whole GPU an innocent process's QUERY_STATE2 has AMDGPU_CTX_QUERY2_FLAGS_GUILTY, and its API says
so.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtx, _last_job_timed_out
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O100",))


@replaces(_last_job_timed_out)
def last_job_failed(original: Original, ctx: AmdgpuCtx) -> bool:
    return any(centity.entity.error for centity in ctx.entities.values())
