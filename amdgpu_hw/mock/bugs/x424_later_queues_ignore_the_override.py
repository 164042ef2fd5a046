# SPDX-License-Identifier: MIT
"""A queue that a context uses for the first time after its priority was overridden has the context's own priority.

amdgpu_ctx_init_entity looks at `init_priority`; amdgpu_ctx_priority_override changes the queues that are there. After
SCHED has raised a context that has not submitted yet, its jobs stay behind those of others that wait for the same ring.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtx, AmdgpuCtxEntity, _amdgpu_ctx_init_entity
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_CTX_PRIORITY_UNSET

BUG = Bug(caught_by=("B05",))


@replaces(_amdgpu_ctx_init_entity)
def init_entity(original: Original, ctx: AmdgpuCtx, hw_ip: int, ring: int) -> AmdgpuCtxEntity:
    override, ctx.override_priority = ctx.override_priority, AMDGPU_CTX_PRIORITY_UNSET
    try:
        centity: AmdgpuCtxEntity = original(ctx, hw_ip, ring)
    finally:
        ctx.override_priority = override
    return centity
