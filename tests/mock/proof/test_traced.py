# SPDX-License-Identifier: MIT
"""Finding a submission in a trace, and the jobs that wait for it."""

from __future__ import annotations

import threading
from typing import cast

from amdgpu_hw.evidence.trace import TraceEvent, TraceInstance
from amdgpu_hw.proof.traced import submit_watched
from amdgpu_hw.submit import Submission

SUBMISSION = cast(Submission, object())


class Trace:
    """Gives what was put into it, once."""

    def __init__(self) -> None:
        self.events: list[TraceEvent] = []

    def queue(self, seqno: int, *dependencies: str, pid: int | None = None) -> None:
        """A job 50:SEQNO, by this thread unless another is named."""
        pid = threading.get_native_id() if pid is None else pid
        text = f"dev=0000:03:00.0, fence=50:{seqno}, ring=sdma0, job count:0, hw job count:0, client_id:3"
        self.events.append(TraceEvent("python", pid, 1.0, "drm_sched_job_queue", text))
        for fence in dependencies:
            text = f"fence=50:{seqno} depends on fence={fence}"
            self.events.append(TraceEvent("python", pid, 1.0, "drm_sched_job_add_dep", text))

    def take(self) -> list[TraceEvent]:
        """All events so far."""
        events, self.events = self.events, []
        return events


def submit(trace: Trace, *queued: int, pid: int | None = None) -> Submission:
    """Queue jobs as a submission does: those for page tables first."""
    for seqno in queued:
        trace.queue(seqno, pid=pid)
    trace.queue(99, pid=1)  # somebody else's
    return SUBMISSION


def test_a_submission_is_the_last_job_of_its_thread() -> None:
    """Not what was there before, nor others' jobs."""
    trace = Trace()
    trace.queue(1)
    submission, watch = submit_watched(cast(TraceInstance, trace), lambda: submit(trace, 2, 3))
    assert submission is SUBMISSION
    assert watch is not None
    assert str(watch.job) == "50:3"
    trace.queue(4, "50:3", "7:1")
    trace.queue(5, "50:2")
    assert watch.words() == "trace: 2 jobs queued since, 1 with a dependency on it"
    trace.queue(6)
    assert watch.words() == "trace: 1 job queued since, none with a dependency on it"


def test_a_submission_that_is_not_ours_in_the_trace_is_not_watched() -> None:
    """As in a container, where threads have other numbers; nor is one without a trace."""
    trace = Trace()
    assert submit_watched(cast(TraceInstance, trace), lambda: submit(trace, 2, pid=1)) == (SUBMISSION, None)
    assert submit_watched(None, lambda: SUBMISSION) == (SUBMISSION, None)
