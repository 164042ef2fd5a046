# SPDX-License-Identifier: MIT
"""Process context: plain functions of the mock kernel that sleep."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu_model.loop import Timers
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from amdgpu_hw.mock.kernel.process import in_process_context, wait_for
from amdgpu_hw.mock.kernel.wait import Blocking, RunQueue, Sleep, Task, WaitQueue, Wake


class Harness:
    """A work queue, a queue to sleep on, and what happened in order."""

    def __init__(self) -> None:
        self.work = RunQueue()
        self.queue = WaitQueue()
        self.happened: list[object] = []

    def start(self, blocking: Blocking[object]) -> Task[object]:
        """Run a function until it sleeps; how it ends is one of the things that happen."""
        task = Task(blocking, Timers(), self.work, lambda result, error: self.happened.append(error or result))
        task.start()
        return task

    def wake(self) -> None:
        """Wake who sleeps on the queue, and let him run."""
        self.queue.wake_all()
        self.work.run()

    def sleep(self) -> Blocking[Wake]:
        """Sleep on the queue; ERESTARTSYS on a signal."""
        reason = yield Sleep([self.queue])
        if reason is Wake.INTERRUPTED:
            raise KernelError(ERESTARTSYS)
        return reason

    def plain(self, name: str) -> str:
        """Sleep twice, in a function that is no generator."""
        try:
            for _ in range(2):
                self.happened.append((name, wait_for(self.sleep())))
            return name
        finally:
            self.happened.append(f"{name} is unwound")


def test_a_plain_function_sleeps_and_goes_on_where_it_was() -> None:
    """What wakes it comes back to it, and its result out of the system call."""
    harness = Harness()
    harness.start(in_process_context(harness.plain, "a"))
    assert harness.happened == []
    harness.wake()
    assert harness.happened == [("a", Wake.WOKEN)]
    harness.wake()
    assert harness.happened[1:] == [("a", Wake.WOKEN), "a is unwound", "a"]


def test_functions_sleep_side_by_side() -> None:
    """Each has a context of its own."""
    harness = Harness()
    for name in ("a", "b"):
        harness.start(in_process_context(harness.plain, name))
    harness.wake()
    assert harness.happened == [("a", Wake.WOKEN), ("b", Wake.WOKEN)]
    harness.wake()
    assert harness.happened[-1] == "b"


def test_a_generator_is_finished_in_process_context() -> None:
    """It may call plain functions that sleep, and be one itself."""
    harness = Harness()

    def both() -> Blocking[str]:
        yield from harness.sleep()
        return harness.plain("a")

    harness.start(in_process_context(both))
    for _ in range(3):
        harness.wake()
    assert harness.happened[-1] == "a"


def test_one_call_may_start_another() -> None:
    """Which goes on when it is woken, whatever became of the first."""
    harness = Harness()

    def first() -> str:
        harness.start(in_process_context(harness.plain, "second"))
        return "first"

    harness.start(in_process_context(first))
    assert harness.happened == ["first"]
    for _ in range(2):
        harness.wake()
    assert harness.happened[-1] == "second"


def test_what_a_signal_raises_comes_up_where_the_function_sleeps() -> None:
    """And ends the system call, unless the function takes it."""
    harness = Harness()
    task = harness.start(in_process_context(harness.plain, "a"))
    assert task.interrupt()
    harness.work.run()
    unwound, error = harness.happened
    assert unwound == "a is unwound"
    assert isinstance(error, KernelError)
    assert error.errno == ERESTARTSYS


def test_a_killed_function_is_unwound() -> None:
    """Through its ``finally`` blocks, as a generator is."""
    harness = Harness()
    task = harness.start(in_process_context(harness.plain, "a"))
    assert task.kill()
    assert harness.happened == ["a is unwound"]
    assert not harness.queue


def test_outside_of_process_context_nothing_may_sleep() -> None:
    """It is found out only when it would: what need not wait is fine."""
    harness = Harness()

    def never_sleeps() -> Blocking[str]:
        return "done"
        yield Sleep([])

    assert wait_for(never_sleeps()) == "done"
    with pytest.raises(AssertionError, match="scheduling while atomic"):
        wait_for(harness.sleep())
