# SPDX-License-Identifier: MIT
"""Several machines that work off a list of jobs together."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from matrix.slot import Slot

__all__ = ("Farm",)

T = TypeVar("T")

_POLL_S = 0.2


class Farm:
    """Up to ``size`` machines."""

    def __init__(self, size: int) -> None:
        self.size = size

    def work_off(self, jobs: Iterable[Callable[[Slot], T]], done: Callable[[T], None]) -> None:
        """Do every job on one of the machines; ``done`` gets each result, never two at a time.

        What a job or ``done`` raises, Ctrl-C as well, is raised here, after the jobs that have begun.
        """
        waiting = deque(jobs)
        lock = threading.Lock()
        errors: list[BaseException] = []

        def work(cpu: int) -> None:
            # A machine that has but one CPU does not poll for its clients' calls: others need that CPU.
            os.sched_setaffinity(0, {cpu})
            with Slot() as slot:
                while not errors:
                    try:
                        job = waiting.popleft()
                    except IndexError:
                        return
                    try:
                        result = job(slot)
                        with lock:
                            done(result)
                    except BaseException as error:
                        errors.append(error)

        cpus = sorted(os.sched_getaffinity(0))
        threads = [
            threading.Thread(target=work, args=(cpus[index % len(cpus)],), daemon=True)
            for index in range(min(self.size, len(waiting)))
        ]
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
