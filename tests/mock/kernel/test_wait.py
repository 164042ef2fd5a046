# SPDX-License-Identifier: MIT
"""Sleeping, timers and deferred work of the mock kernel."""

from __future__ import annotations

from collections.abc import Callable

from amdgpu_hw.gpu_model.loop import Timers
from amdgpu_hw.mock.kernel.wait import Blocking, RunQueue, Sleep, Task, WaitQueue, Wake


class Harness:
    """A kernel's timers and work queue, and what the started tasks ended with."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.work = RunQueue()
        self.results: list[tuple[object, BaseException | None]] = []

    def start(self, function: Callable[[], Blocking[object]]) -> Task[object]:
        task = Task(function(), self.timers, self.work, lambda result, error: self.results.append((result, error)))
        task.start()
        return task


def sleeper(
    queue: WaitQueue, deadline: int | None = None, interruptible: bool = True
) -> Callable[[], Blocking[object]]:
    """A function that sleeps once and returns why it woke."""

    def function() -> Blocking[object]:
        return (yield Sleep([queue], deadline, interruptible))

    return function


def test_woken_from_the_work_queue() -> None:
    """Waking only marks the sleeper runnable: it goes on from the work queue, not inside wake_all()."""
    harness, queue = Harness(), WaitQueue()
    harness.start(sleeper(queue))
    queue.wake_all()
    assert harness.results == []
    harness.work.run()
    assert harness.results == [(Wake.WOKEN, None)]
    assert not queue


def test_deadline_ends_a_sleep_and_leaves_the_queue() -> None:
    """A sleep past its deadline ends with TIMED_OUT and is no longer on its queue."""
    harness, queue = Harness(), WaitQueue()
    harness.start(sleeper(queue, deadline=100))
    assert harness.timers.next_deadline() == 100
    harness.timers.run_due(100)
    harness.work.run()
    assert harness.results == [(Wake.TIMED_OUT, None)]
    assert not queue
    assert harness.timers.next_deadline() is None


def test_first_wake_counts() -> None:
    """A sleeper woken twice before it runs sees the first reason only."""
    harness, queue = Harness(), WaitQueue()
    task = harness.start(sleeper(queue, deadline=100))
    queue.wake_all()
    harness.timers.run_due(100)
    task.interrupt()
    harness.work.run()
    assert harness.results == [(Wake.WOKEN, None)]


def test_signals_end_interruptible_sleeps_only() -> None:
    """A signal ends an interruptible sleep; state D ignores it, and SIGKILL too."""
    harness, queue = Harness(), WaitQueue()
    assert harness.start(sleeper(queue)).interrupt()
    harness.work.run()
    assert harness.results == [(Wake.INTERRUPTED, None)]
    stuck = harness.start(sleeper(queue, interruptible=False))
    assert not stuck.interrupt()
    assert not stuck.kill()
    assert not stuck.finished


def test_kill_unwinds_through_finally() -> None:
    """A killed task drops what it holds and never reports a result."""
    harness, queue = Harness(), WaitQueue()
    released: list[str] = []

    def holder() -> Blocking[object]:
        try:
            yield Sleep([queue])
        finally:
            released.append("lock")
        return None

    task = harness.start(holder)
    assert task.kill()
    queue.wake_all()
    harness.work.run()
    assert released == ["lock"]
    assert harness.results == []
    assert task.finished


def test_errors_end_the_task() -> None:
    """An exception of the function is handed to whoever started it."""
    harness, queue = Harness(), WaitQueue()

    def failing() -> Blocking[object]:
        yield Sleep([queue])
        raise OSError("broken")

    harness.start(failing)
    queue.wake_all()
    harness.work.run()
    assert str(harness.results[0][1]) == "broken"


def test_cancelled_timers_do_not_run() -> None:
    """A timer that was cancelled neither runs nor counts as pending; equal deadlines run in order."""
    timers = Timers()
    ran: list[int] = []
    timers.call_at(5, lambda: ran.append(0)).cancel()
    timers.call_at(7, lambda: ran.append(1))
    timers.call_at(7, lambda: ran.append(2))
    assert timers.next_deadline() == 7
    timers.run_due(6)
    assert ran == []
    timers.run_due(7)
    assert ran == [1, 2]


def test_work_is_bounded() -> None:
    """The work queue runs a bounded number of items at a time and says whether some are left."""
    work = RunQueue()
    ran: list[int] = []
    for number in range(3):
        work.queue(lambda number=number: ran.append(number))  # type: ignore[misc]
    assert work.run(limit=2)
    assert not work.run()
    assert ran == [0, 1, 2]
