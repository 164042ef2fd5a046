# SPDX-License-Identifier: MIT
"""What the trace says about a job that is held back: which jobs that were queued since depend on it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from amdgpu_hw.evidence.trace import FenceId, TracedJob, TraceInstance, queued_jobs
from amdgpu_hw.submit import Submission

__all__ = ("JobWatch", "submit_watched")


class JobWatch:
    """The jobs that are queued after one that was just submitted."""

    def __init__(self, trace: TraceInstance, job: FenceId) -> None:
        self._trace = trace
        self.job = job
        """Its finished fence."""

    def take(self) -> tuple[list[TracedJob], list[TracedJob]]:
        """The jobs queued since the last call by anybody, and those of them that wait for this one."""
        jobs = queued_jobs(self._trace.take())
        return jobs, [job for job in jobs if job.depends_on(self.job)]

    def words(self) -> str:
        """What `take` finds, for the record."""
        jobs, waiting = self.take()
        count = f"{len(jobs)} job{'' if len(jobs) == 1 else 's'}"
        return f"trace: {count} queued since, {len(waiting) or 'none'} with a dependency on it"


def submit_watched(trace: TraceInstance | None, submit: Callable[[], Submission]) -> tuple[Submission, JobWatch | None]:
    """Submit a job and, where there is a trace, find out which fence it has there."""
    if trace is None:
        return submit(), None
    trace.take()
    submission = submit()
    # A submission queues page-table jobs first, from the same thread; others' jobs may come in between. In a container
    # threads have other numbers than in the trace: then it says nothing.
    ours = [job for job in queued_jobs(trace.take()) if job.pid == threading.get_native_id()]
    return submission, JobWatch(trace, ours[-1].fence) if ours else None
