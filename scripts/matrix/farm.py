# SPDX-License-Identifier: MIT
"""Several machines that work off lists of jobs together."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from matrix.slot import Slot

__all__ = ("Farm",)

_SLOTS_PER_CPU = 4
"""The suite waits for most of its time, with a slow bug for nearly all of it: one machine in four begins with these.
More machines than this at a time make the suite wait for the CPU.
"""

T = TypeVar("T")

_POLL_S = 0.2


class Farm:
    """Up to ``size`` machines."""

    def __init__(self, size: int) -> None:
        self.size = size

    @staticmethod
    def usual_size() -> int:
        """How many machines this one does well with."""
        return _SLOTS_PER_CPU * len(os.sched_getaffinity(0))

    def work_off(
        self,
        jobs: Iterable[Callable[[Slot], T]],
        done: Callable[[T], None],
        slow: Iterable[Callable[[Slot], T]] = (),
    ) -> None:
        """Do every job on one of the machines; ``done`` gets each result, never two at a time.

        Those that are ``slow``, because they wait for most of their time, are done beside the others from the
        beginning. What a job or ``done`` raises, Ctrl-C as well, is raised here, after the jobs that have begun.
        """
        usual, waiting = deque(jobs), deque(slow)
        lock = threading.Lock()
        errors: list[BaseException] = []

        def work(cpu: int, first: deque[Callable[[Slot], T]], then: deque[Callable[[Slot], T]]) -> None:
            # A machine that has but one CPU does not poll for its clients' calls: others need that CPU.
            os.sched_setaffinity(0, {cpu})
            with Slot() as slot:
                while not errors and (job := _next(first) or _next(then)) is not None:
                    try:
                        result = job(slot)
                        with lock:
                            done(result)
                    except BaseException as error:
                        errors.append(error)

        cpus = sorted(os.sched_getaffinity(0))
        threads = []
        for index in range(min(self.size, len(usual) + len(waiting))):
            begins_with_slow = index // len(cpus) % _SLOTS_PER_CPU == _SLOTS_PER_CPU - 1
            lists = (waiting, usual) if begins_with_slow else (usual, waiting)
            threads.append(threading.Thread(target=work, args=(cpus[index % len(cpus)], *lists), daemon=True))
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(_POLL_S)
        except KeyboardInterrupt as interrupt:
            errors.append(interrupt)
            for thread in threads:
                thread.join()
        if errors:
            raise errors[0]


def _next(jobs: deque[Callable[[Slot], T]]) -> Callable[[Slot], T] | None:
    """The next job of a list, None when there is none; others take from it at the same time."""
    try:
        return jobs.popleft()
    except IndexError:
        return None
