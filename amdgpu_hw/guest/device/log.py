# SPDX-License-Identifier: MIT
"""The machine's log: what a person must know of a run, one line each."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import TextIO

__all__ = ("MachineLog",)

MOST_LINES = 20_000
"""A guest that does nonsense must not fill the disk."""


class MachineLog:
    """Writes lines with the seconds since the start in front."""

    def __init__(self, stream: TextIO, begin: float | None = None) -> None:
        self._stream = stream
        self._begin = time.monotonic() if begin is None else begin
        self._said: set[Hashable] = set()
        self._lines = 0

    def __call__(self, text: str) -> None:
        """Write a line."""
        self._lines += 1
        if self._lines > MOST_LINES:
            return
        if self._lines == MOST_LINES:
            text = f"{MOST_LINES} lines: nothing more is logged"
        self._stream.write(f"{time.monotonic() - self._begin:10.4f} {text}\n")
        self._stream.flush()

    def once(self, key: Hashable, text: str) -> None:
        """Write a line, but only the first time for ``key``."""
        if key not in self._said:
            self._said.add(key)
            self(text)
