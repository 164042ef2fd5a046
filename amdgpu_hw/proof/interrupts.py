# SPDX-License-Identifier: MIT
"""Ctrl-C and SIGTERM while a run goes on: raised where tests wait, noted everywhere else.

A `KeyboardInterrupt` can come between any two steps of pytest, of a fixture's end, or of what writes the results, and
what is half done then fails in ways of its own (a descriptor that is closed twice), or takes the interrupt's place (an
error in a ``finally``, another test's end in a group of exceptions). So it is let in only where time is spent, and
whoever comes to the end of a step asks whether the run is to end.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any, Self

__all__ = ("Interrupts",)

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}

_TOGETHER_S = 1.0
"""What comes within so many seconds is one interrupt: a terminal's goes to all, and some pass theirs on."""


class Interrupts:
    """Has both signals from `take` to `restore`; a context manager around what an interrupt may end at any point.

    An interrupt that comes there is raised at once, one that came before as soon as such a block begins; any other is
    kept until `check`. Whoever insists (a second one, later) is heard everywhere.
    """

    def __init__(self) -> None:
        self.how: str | None = None
        """What ends the run, in words; None while nothing does."""
        self.raised = False
        """Whether it has been raised: what was running then did not come to its end."""
        self._came_at = 0.0
        self._welcome = False
        self._before: dict[signal.Signals, Any] = {}

    def take(self) -> None:
        """Take the signals over; other threads than the main one cannot, and leave them as they are."""
        if threading.current_thread() is threading.main_thread():
            for number in _NAMES:
                self._before[number] = signal.signal(number, self._come)

    def restore(self) -> None:
        """Give the signals back to those who had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if there was an interrupt, also if it has been raised before."""
        if self.how is not None:
            self._raise()

    def _come(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        insists = self.how is not None and now - self._came_at > _TOGETHER_S
        if self.how is None:
            self.how, self._came_at = _NAMES[signal.Signals(number)], now
        if insists or (self._welcome and not _in_finalizer(frame)):
            self._raise()

    def _raise(self) -> None:
        self._welcome, self.raised = False, True
        raise KeyboardInterrupt(self.how)

    def __enter__(self) -> Self:
        self._welcome = True
        self.check()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._welcome = False


def _in_finalizer(frame: FrameType | None) -> bool:
    """Whether this is inside a `__del__`: what is raised there Python prints, and forgets."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
