# SPDX-License-Identifier: MIT
"""A context of the lowest priority cannot submit: the run queue of its entity is looked up past the end of the array.

In 6.8 the order of the priorities was turned round and MIN became LOW: the number of run queues is one more than that
(drm_sched_init: num_rqs, DRM_SCHED_PRIORITY_COUNT). drm_sched_entity_init takes the entity then, without a run queue.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtx, AmdgpuCtxEntity, amdgpu_ctx_get_entity
from amdgpu_hw.mock.kernel.scheduler.sched_main import DRM_SCHED_PRIORITY_LOW
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O106",))


@replaces(amdgpu_ctx_get_entity)
def get_entity(original: Original, ctx: AmdgpuCtx, hw_ip: int, instance: int, ring: int) -> AmdgpuCtxEntity:
    centity: AmdgpuCtxEntity = original(ctx, hw_ip, instance, ring)
    if centity.entity.priority == DRM_SCHED_PRIORITY_LOW:
        centity.entity.rq = None
    return centity
