# SPDX-License-Identifier: MIT
"""The watchdog of a test: whatever blocks, the gates are opened, and what was pending is told."""

from __future__ import annotations

import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from amdgpu_hw.gate import open_what_can_be, shut_gates

__all__ = ("TestWatchdog",)

_HERE = Path(__file__).parents[2]
"""Where the package lies, and in a checkout the tests."""

_WAITING = re.compile(r"amdgpu_hw\.(libdrm|sync|gate)\b")
"""The modules that call the kernel, and through which whoever waits for it does."""

_STUCK_S = 1.0
"""How long one call of theirs has to last for the kernel, and not the test or the machine, to be what takes long."""


class TestWatchdog:
    """Watches one test, or what prepares one, for ``seconds``; a context manager. ``what`` it is, in messages.

    When time is up it opens every gate, which lets go whatever waits for one inside the kernel, and keeps `report`.
    If the test has not ended as many seconds later either, ``give_up`` is called with the report and with `stuck` as
    it is then, in the watchdog's thread, and is expected to end the process.
    """

    __test__ = False  # not for pytest to collect

    def __init__(self, seconds: float, give_up: Callable[[str, bool], None], what: str = "the test") -> None:
        self._what = what
        self._seconds = seconds
        self._give_up = give_up
        self._thread = threading.get_ident()
        self._block: FrameType | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._timer = self._arm(self._fire)
        self.report: str | None = None
        """What was pending when time was up; None while it is not."""
        self.stuck = False
        """Whether it was waiting for the kernel when time was up; a test that was not is slow, or its machine is."""

    def __enter__(self) -> Self:
        self._block = sys._getframe(1)
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with self._lock:
            self._timer.cancel()
        self._block = None  # frames keep each other alive

    def _arm(self, function: Callable[[], None]) -> threading.Timer:
        timer = threading.Timer(self._seconds, function)
        timer.daemon = True
        return timer

    def _fire(self) -> None:
        where = self._stack()
        stuck = self._is_stuck()
        with self._lock:
            if self._over.is_set():  # it was late, and what is shut now is another's
                return
            pending = [str(gate) for gate in shut_gates()]
            open_what_can_be(f"the watchdog of {self._what}")
            shut = f"shut were: {', '.join(pending)}" if pending else "no gate was shut"
            slow = "" if stuck else f", and nothing waited {_STUCK_S:g} s for the kernel"
            self.stuck = stuck
            self.report = f"{self._what} did not end within {self._seconds:g} s; {shut}{slow}; it was at:\n{where}"
            self._timer = self._arm(self._let_go)
            self._timer.start()

    def _let_go(self) -> None:
        self.stuck = self._is_stuck()
        if not self._over.is_set():
            self._give_up(self.report or "", self.stuck)

    def _is_stuck(self) -> bool:
        """Whether the watched block is in one and the same call of the kernel, or wait for it, while this looks."""
        before = list(self._calls())
        self._over.wait(_STUCK_S)
        return any(frame is known for frame in self._calls() for known in before)

    def _calls(self) -> Iterator[FrameType]:
        """The calls that the watched block is in, of modules that wait for the kernel."""
        return (frame for frame in self._frames() if _WAITING.match(frame.f_globals.get("__name__", "")))

    def _frames(self) -> Iterator[FrameType]:
        """Where the watched block is, innermost call first."""
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self._block:
            yield frame
            frame = frame.f_back

    def _stack(self) -> str:
        """The same in words, outermost call first."""
        frames = [(frame, frame.f_lineno) for frame in self._frames()]
        text = "".join(traceback.StackSummary.extract(iter(reversed(frames))).format()).rstrip()
        # People send this to a list: where on their disk the checkout lies is nobody's business.
        return text.replace(f'File "{_HERE}{os.sep}', 'File "')
