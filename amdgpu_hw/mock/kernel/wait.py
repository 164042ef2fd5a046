# SPDX-License-Identifier: MIT
"""Sleeping in the mock kernel.

The mock kernel is one thread. A function that may sleep is a generator: it yields a `Sleep` and is resumed
with the reason it woke up for, as `schedule_timeout` returns to its caller. A `Task` drives such a generator
the way a process is driven through a system call: it can be woken, time out, be interrupted by a signal, or be
killed. Functions that cannot sleep stay plain functions.

What need not sleep is done later by the machine's `Timers` and its work queue, which here is a `RunQueue`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

from amdgpu_hw.gpu_model.loop import TimerHandle, Timers, WorkQueue

__all__ = ("Blocking", "RunQueue", "Sleep", "Task", "WaitQueue", "Wake")

T = TypeVar("T")


class Wake(Enum):
    """Why a sleeper was resumed."""

    WOKEN = "woken"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"


class WaitQueue:
    """Whoever sleeps on something (`wait_queue_head_t`); waking does not say that the condition holds."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: dict[Task[Any], None] = {}

    def add(self, task: Task[Any]) -> None:
        """Put a task on the queue; the queue keeps the order in which they came."""
        self._tasks[task] = None

    def remove(self, task: Task[Any]) -> None:
        """Take a task off the queue; a task that is not on it is ignored."""
        self._tasks.pop(task, None)

    def wake_all(self) -> None:
        """Make every sleeper runnable. They run from the work queue, not inside this call."""
        if not self._tasks:
            return
        tasks = list(self._tasks)
        self._tasks.clear()
        for task in tasks:
            task.wake(Wake.WOKEN)

    def __bool__(self) -> bool:
        """Tell whether anybody sleeps here."""
        return bool(self._tasks)


class Sleep:
    """What a blocked function waits for: any of the queues, a deadline, or a signal.

    ``deadline`` is absolute CLOCK_MONOTONIC in ns, None for ever. A sleep that is not ``interruptible`` ends
    neither by a signal nor by SIGKILL (TASK_UNINTERRUPTIBLE).
    """

    __slots__ = ("deadline", "interruptible", "queues")

    def __init__(self, queues: Iterable[WaitQueue], deadline: int | None = None, interruptible: bool = True) -> None:
        self.queues = tuple(queues)
        self.deadline = deadline
        self.interruptible = interruptible


Blocking: TypeAlias = Generator[Sleep, Wake, T]
"""A function that may sleep; its result is the generator's return value."""


class RunQueue(WorkQueue):
    """The work queue of a kernel, which knows every task that waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.sleepers: dict[Task[Any], None] = {}
        """Every task that sleeps, or was woken and has not run yet."""


class Task(Generic[T]):
    """One thread of control inside the kernel: a client's system call, or a kernel thread.

    ``on_done(result, error)`` is called once, from the work queue or from the constructor's `start`: with the
    return value and None, or with None and the exception that ended the generator.
    """

    __slots__ = ("_deadline_timer", "_generator", "_on_done", "_pending", "_sleep", "_timers", "_work")

    def __init__(
        self,
        generator: Blocking[T],
        timers: Timers,
        work: RunQueue,
        on_done: Callable[[T | None, BaseException | None], None],
    ) -> None:
        self._generator: Blocking[T] | None = generator
        self._timers = timers
        self._work = work
        self._on_done = on_done
        self._sleep: Sleep | None = None
        self._deadline_timer: TimerHandle | None = None
        self._pending: Wake | None = None

    @property
    def finished(self) -> bool:
        """Whether the generator has ended."""
        return self._generator is None

    def start(self) -> None:
        """Run until the first sleep or the end."""
        self._resume(None)

    def start_asleep(self, sleep: Sleep) -> None:
        """Take over a generator that has been run to its first ``sleep``; one that has none needs no task."""
        self._enter_queues(sleep)

    def wake(self, reason: Wake) -> None:
        """Make the task runnable; the first reason counts."""
        if self._pending is None and self._sleep is not None:
            self._pending = reason
            self._work.queue(self._run_pending)

    def interrupt(self) -> bool:
        """Deliver a signal. Returns whether the task sleeps interruptibly, i.e. whether the signal ends the sleep."""
        if self._sleep is None or not self._sleep.interruptible:
            return False
        self.wake(Wake.INTERRUPTED)
        return True

    def kill(self) -> bool:
        """Deliver SIGKILL: an interruptible sleep ends and the function is unwound through its ``finally`` blocks.

        Returns False when the task sleeps uninterruptibly: like a process in state D it goes on until woken.
        """
        if self._generator is None:
            return True
        if self._sleep is not None and not self._sleep.interruptible:
            return False
        self._leave_queues()
        generator, self._generator = self._generator, None
        generator.close()
        return True

    def _run_pending(self) -> None:
        reason, self._pending = self._pending, None
        if reason is not None and self._generator is not None:
            self._resume(reason)

    def _resume(self, reason: Wake | None) -> None:
        self._leave_queues()
        generator = self._generator
        if generator is None:
            return
        try:
            sleep = next(generator) if reason is None else generator.send(reason)
        except StopIteration as stop:
            self._generator = None
            self._on_done(stop.value, None)
        except Exception as error:
            self._generator = None
            self._on_done(None, error)
        else:
            self._enter_queues(sleep)

    def _enter_queues(self, sleep: Sleep) -> None:
        self._sleep = sleep
        self._work.sleepers[self] = None
        for queue in sleep.queues:
            queue.add(self)
        if sleep.deadline is not None:
            self._deadline_timer = self._timers.call_at(sleep.deadline, lambda: self.wake(Wake.TIMED_OUT))

    def _leave_queues(self) -> None:
        self._pending = None
        sleep, self._sleep = self._sleep, None
        if sleep is not None:
            del self._work.sleepers[self]
            for queue in sleep.queues:
                queue.remove(self)
        if self._deadline_timer is not None:
            self._deadline_timer.cancel()
            self._deadline_timer = None
