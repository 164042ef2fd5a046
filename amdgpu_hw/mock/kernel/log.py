# SPDX-License-Identifier: MIT
"""The machine's kernel log: what a person would read in dmesg."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ("KernelLog", "LogLine")

_MAX_LINES = 20_000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line: CLOCK_MONOTONIC time in ns, severity (``info``, ``warn``, ``err``) and text."""

    time_ns: int
    level: str
    text: str

    def __str__(self) -> str:
        seconds, rest = divmod(self.time_ns, 1_000_000_000)
        return f"[{seconds:5d}.{rest // 1000:06d}] {self.text}"


class KernelLog:
    """A ring of the last lines, as printk's; `listeners` are called with each new one."""

    def __init__(self) -> None:
        self.lines: deque[LogLine] = deque(maxlen=_MAX_LINES)
        self.listeners: list[Callable[[LogLine], None]] = []

    def info(self, text: str) -> None:
        """Log something that is as it should be."""
        self._add("info", text)

    def warn(self, text: str) -> None:
        """Log something odd that the kernel copes with."""
        self._add("warn", text)

    def err(self, text: str) -> None:
        """Log a failure: a GPU fault, a hang, a bug of the mock kernel."""
        self._add("err", text)

    def text(self) -> str:
        """The whole log as dmesg prints it."""
        return "".join(f"{line}\n" for line in self.lines)

    def _add(self, level: str, text: str) -> None:
        now = time.monotonic_ns()
        for part in text.splitlines() or [""]:
            line = LogLine(now, level, part)
            self.lines.append(line)
            for listener in self.listeners:
                listener(line)
