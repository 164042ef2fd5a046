# SPDX-License-Identifier: MIT
"""Things done one by one in a process: what blocks or dies costs its own answer and no other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from agreement.bounded import BLOCKED, Answer, one_by_one


def doing(number: int) -> Callable[[], Callable[[int], Answer]]:
    """What does things, of which ``number`` does not end well."""

    def start() -> Callable[[int], Answer]:
        def do(at: int) -> Answer:
            if at == number:
                time.sleep(60)
            return {"done": at, "by": os.getpid()}

        return do

    return start


def test_what_blocks_ends_in_time_and_the_rest_goes_on_in_another_process() -> None:
    """Its answer says so, and nothing is done twice."""
    begin = time.monotonic()
    answers = dict(one_by_one(4, doing(1), 0.5))
    assert time.monotonic() - begin < 10
    assert answers[1] == BLOCKED
    assert [answers[at]["done"] for at in (0, 2, 3)] == [0, 2, 3]
    assert answers[2]["by"] == answers[3]["by"] != answers[0]["by"]


def test_what_raises_says_what_and_the_rest_goes_on() -> None:
    """In a process of its own, as what it left behind is not known."""

    def start() -> Callable[[int], Answer]:
        def do(at: int) -> Answer:
            if at == 0:
                raise ValueError("no such thing")
            return {"done": at}

        return do

    assert dict(one_by_one(2, start, 5)) == {0: {"died": "ValueError: no such thing"}, 1: {"done": 1}}


def test_a_process_that_ends_answers_with_its_exit_status() -> None:
    """A client that is killed by the kernel, say."""

    def start() -> Callable[[int], Answer]:
        return lambda at: os._exit(7) if at == 0 else {"done": at}

    assert dict(one_by_one(2, start, 5)) == {0: {"died": "exit status 7"}, 1: {"done": 1}}
