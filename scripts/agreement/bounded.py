# SPDX-License-Identifier: MIT
"""One thing after the other in a process of its own, each within a time: what blocks costs that time and no more."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias

__all__ = ("BLOCKED", "Answer", "one_by_one")

Answer: TypeAlias = "dict[str, Any]"

BLOCKED: Answer = {"blocked": True}
"""The answer of what has not ended in time. Its process is killed, and the next one begins in another."""

_FORK = multiprocessing.get_context("fork")
_END_S = 2.0


def one_by_one(
    count: int, start: Callable[[], Callable[[int], Answer]], limit_s: float
) -> Iterator[tuple[int, Answer]]:
    """Do things 0 to ``count`` - 1; yields each with its answer as it comes.

    ``start`` is called in the process that does them, and returns what does one. A process that ends by itself answers
    for what it was doing with ``died`` and how. ``limit_s`` is for one thing, or for starting.
    """
    at = 0
    while at < count:
        ours, theirs = _FORK.Pipe()
        worker = _FORK.Process(target=_work, args=(range(at, count), start, theirs))
        worker.start()
        theirs.close()
        try:
            while at < count:
                answer = _hear(ours, worker, limit_s)
                yield at, answer
                at += 1
                if "blocked" in answer or "died" in answer:
                    break
        finally:
            ours.close()
            _end(worker)


def _hear(pipe: Connection, worker: BaseProcess, limit_s: float) -> Answer:
    try:
        if not pipe.poll(limit_s):
            return BLOCKED
        answer: Answer = json.loads(pipe.recv_bytes())
    except (EOFError, ConnectionError):
        worker.join(_END_S)
        return {"died": f"exit status {worker.exitcode}"}
    return answer


def _work(numbers: Sequence[int], start: Callable[[], Callable[[int], Answer]], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        do = start()
        for number in numbers:
            pipe.send_bytes(json.dumps(do(number)).encode())
        # What is open ends with the process; closing it in order would wait for what is pending.
        sys.stderr.flush()
    except BaseException as error:
        with contextlib.suppress(OSError):
            pipe.send_bytes(json.dumps({"died": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(0)


def _end(worker: BaseProcess) -> None:
    """End a process; one that sleeps where no signal reaches it is left behind."""
    worker.join(_END_S)
    if worker.is_alive():
        worker.kill()
        worker.join(_END_S)
