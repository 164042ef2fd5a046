# SPDX-License-Identifier: MIT
"""Jobs of a killed process end at once, whatever they depend on: who waits for them goes on too early.

Between 6.1 and 6.12 drm_sched_entity_kill_jobs_work took that over from the process that dies, and had to learn anew
to go through the dependencies of a job that is killed.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmSchedJob
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O80",))


@replaces(DrmSchedJob._kill_work)
def kill_work(original: Original, self: DrmSchedJob) -> None:
    self._dependencies = None
    original(self)
