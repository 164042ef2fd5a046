# SPDX-License-Identifier: MIT
"""Where a queue's job still has to wait, its ring's worker looks at no other queue until somebody wakes it again.

drm_sched_run_job_work did not queue itself again when drm_sched_entity_pop_job had nothing for it; mended in 6.8.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.scheduler.sched_entity import DrmSchedEntity
from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmGpuScheduler, DrmSchedJob
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O76",), slow=True)

_waited: set[int] = set()
"""Schedulers whose worker has found a job that has to wait, since it was started."""


@replaces(DrmGpuScheduler._work)
def work(original: Original, self: DrmGpuScheduler) -> None:
    _waited.discard(id(self))
    original(self)


@replaces(DrmGpuScheduler._select_entity)
def select_entity(original: Original, self: DrmGpuScheduler) -> DrmSchedEntity | None:
    entity: DrmSchedEntity | None = None if id(self) in _waited else original(self)
    return entity


@replaces(DrmSchedEntity.pop_job)
def pop_job(original: Original, self: DrmSchedEntity) -> DrmSchedJob | None:
    job: DrmSchedJob | None = original(self)
    if job is None and self.rq is not None:
        _waited.add(id(self.rq.sched))
    return job
