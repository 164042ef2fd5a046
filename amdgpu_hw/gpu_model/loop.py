# SPDX-License-Identifier: MIT
"""The two ways to do something later on a modelled machine: at a time, and as soon as nothing else is under way.

Whoever runs the machine (the mock kernel's process, the guest's device server) calls `Timers.run_due` and
`WorkQueue.run` between two requests, and sleeps until `Timers.next_deadline`.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

__all__ = ("TimerHandle", "Timers", "WorkQueue")


class TimerHandle:
    """A pending timer (`struct timer_list`)."""

    __slots__ = ("deadline", "function")

    def __init__(self, deadline: int, function: Callable[[], None]) -> None:
        self.deadline = deadline
        self.function: Callable[[], None] | None = function

    def cancel(self) -> None:
        """Make sure the timer does not run any more; harmless when it already has."""
        self.function = None


class Timers:
    """Timers ordered by their deadline (absolute CLOCK_MONOTONIC, ns)."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, TimerHandle]] = []
        self._sequence = 0

    def call_at(self, deadline: int, function: Callable[[], None]) -> TimerHandle:
        """Call ``function`` once ``deadline`` has passed; timers with one deadline run in the order they were made."""
        handle = TimerHandle(deadline, function)
        self._sequence += 1
        heapq.heappush(self._heap, (deadline, self._sequence, handle))
        return handle

    def next_deadline(self) -> int | None:
        """When `run_due` has something to do next, None when nothing is pending."""
        heap = self._heap
        while heap and heap[0][2].function is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def run_due(self, now: int) -> None:
        """Run every timer whose deadline is not after ``now``."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            function = heapq.heappop(heap)[2].function
            if function is not None:
                function()


class WorkQueue:
    """Work to be done soon, but not inside the function that found it (`struct workqueue_struct`).

    It runs between two requests to the machine (system calls, register accesses), so that the same program always
    sees the same order of events.
    """

    def __init__(self) -> None:
        self._work: deque[Callable[[], None]] = deque()
        self.queue: Callable[[Callable[[], None]], None] = self._work.append
        """Call a function later, after everything queued before it."""
        self.charged = 0
        """Added to by items that take longer than others, so that no client waits long for its turn."""

    def run(self, limit: int = 1000) -> bool:
        """Run at most ``limit`` items, counting `charged` ones as more; True when work is left."""
        work = self._work
        self.charged = 0
        while work and limit > self.charged:
            work.popleft()()
            limit -= 1
        return bool(work)
