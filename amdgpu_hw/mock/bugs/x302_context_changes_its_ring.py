# SPDX-License-Identifier: MIT
"""A queue of a context may go to another ring while its last job is still running."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.scheduler.sched_entity import DrmSchedEntity
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O70",))


@replaces(DrmSchedEntity.select_rq)
def select_rq(original: Original, self: DrmSchedEntity) -> None:
    last, self.last_scheduled = self.last_scheduled, None
    original(self)
    self.last_scheduled = last
