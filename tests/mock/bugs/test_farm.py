# SPDX-License-Identifier: MIT
"""The machines that the bug matrix and mutation testing share: which jobs are done, and when it ends early."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from matrix.farm import Farm
from matrix.slot import Slot


def test_every_job_is_done_once() -> None:
    """The slow ones as well, with more and with fewer machines than there are jobs."""
    for size in (1, 5, 40):
        done: list[int] = []
        Farm(size).work_off([_gives(number) for number in range(9)], done.append, [_gives(9), _gives(10)])
        assert sorted(done) == list(range(11))


def test_slow_jobs_begin_beside_the_others() -> None:
    """The others here go on only once the slow one has begun: after them it would never."""
    begun = threading.Event()

    def slow(_slot: Slot) -> bool:
        begun.set()
        return True

    def usual(_slot: Slot) -> bool:
        return begun.wait(30)

    done: list[bool] = []
    Farm(Farm.usual_size()).work_off([usual] * Farm.usual_size(), done.append, [slow])
    assert all(done)


def test_the_error_of_a_job_ends_the_work() -> None:
    """It is raised where the work was asked for, and what has not begun does not begin."""

    def fails(_slot: Slot) -> int:
        raise ValueError("out of order")

    done: list[int] = []
    with pytest.raises(ValueError, match="out of order"):
        Farm(1).work_off([_gives(0), fails, _gives(1)], done.append)
    assert done == [0]


def _gives(number: int) -> Callable[[Slot], int]:
    """A job that has this result, and no need of a machine."""
    return lambda _slot: number
