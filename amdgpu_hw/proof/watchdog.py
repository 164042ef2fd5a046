# SPDX-License-Identifier: MIT
"""The watchdog of a test: whatever blocks, the gates are opened, and what was pending is told."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from amdgpu_hw.gate import open_what_can_be, shut_gates

__all__ = ("TestWatchdog",)

_HERE = Path(__file__).parents[2]
"""Where the package lies, and in a checkout the tests."""


class TestWatchdog:
    """Watches one test, or what prepares one, for ``seconds``; a context manager. ``what`` it is, in messages.

    When time is up it opens every gate, which lets go whatever waits for one inside the kernel, and keeps `report`.
    If the test is still stuck as many seconds later, the kernel will not let go of it: ``give_up`` is called with the
    report, in the watchdog's thread, and is expected to end the process.
    """

    __test__ = False  # not for pytest to collect

    def __init__(self, seconds: float, give_up: Callable[[str], None], what: str = "the test") -> None:
        self._what = what
        self._seconds = seconds
        self._give_up = give_up
        self._thread = threading.get_ident()
        self._block: FrameType | None = None
        self._timer = self._arm(self._fire)
        self.report: str | None = None
        """What was pending when time was up; None while it is not."""

    def __enter__(self) -> Self:
        self._block = sys._getframe(1)
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._block = None  # frames keep each other alive

    def _arm(self, function: Callable[[], None]) -> threading.Timer:
        timer = threading.Timer(self._seconds, function)
        timer.daemon = True
        return timer

    def _fire(self) -> None:
        pending = [str(gate) for gate in shut_gates()]
        where = self._stack()
        open_what_can_be(f"the watchdog of {self._what}")
        shut = f"shut were: {', '.join(pending)}" if pending else "no gate was shut"
        self.report = f"{self._what} did not end within {self._seconds:g} s; {shut}; it was at:\n{where}"
        self._timer = self._arm(lambda: self._give_up(self.report or ""))
        self._timer.start()

    def _stack(self) -> str:
        """Where the watched block is, outermost call first."""
        frames = []
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self._block:
            frames.append((frame, frame.f_lineno))
            frame = frame.f_back
        text = "".join(traceback.StackSummary.extract(iter(reversed(frames))).format()).rstrip()
        # People send this to a list: where on their disk the checkout lies is nobody's business.
        return text.replace(f'File "{_HERE}{os.sep}', 'File "')
