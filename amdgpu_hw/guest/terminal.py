# SPDX-License-Identifier: MIT
"""Our side of a command that runs in a guest: standard streams, the terminal, the signals that we get."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import sys
import termios
import tty
from collections.abc import Iterator
from types import FrameType
from typing import Any

from amdgpu_hw.errors import RunCutShort
from amdgpu_hw.guest.channel import Frame, ready

__all__ = ("CaughtSignals", "CommandStreams")

_CHUNK = 65536
_IN, _OUT, _ERR = 0, 1, 2


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


class CommandStreams:
    """Our own standard input, output and error as the command's."""

    def __init__(self) -> None:
        self.input: int | None = _IN if _is_open(_IN) else None
        self.terminal = os.isatty(_IN) and os.isatty(_OUT)
        self._before: list[Any] | None = None

    def __enter__(self) -> CommandStreams:
        sys.stdout.flush()
        sys.stderr.flush()
        if self.terminal and self.input is not None:
            self._before = termios.tcgetattr(self.input)
            tty.setraw(self.input)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None and self.input is not None:
            termios.tcsetattr(self.input, termios.TCSADRAIN, self._before)

    def size(self) -> list[int]:
        """Rows and columns of our terminal."""
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(_OUT, termios.TIOCGWINSZ, bytes(8)))
        return [rows, columns]

    def readable(self) -> bool:
        """Whether there is input, or its end."""
        return self.input is not None and bool(ready([self.input], timeout_s=0)[0])

    def read(self) -> bytes:
        """Some input; empty at its end, after which there is none."""
        assert self.input is not None
        try:
            data = os.read(self.input, _CHUNK)
        except OSError:
            data = b""
        if not data:
            self.input = None
        return data

    def write(self, frame: Frame, content: bytes) -> None:
        """Write what the command wrote."""
        fd = _OUT if frame is Frame.OUT else _ERR
        data = memoryview(content)
        while data:
            data = data[os.write(fd, data) :]


class CaughtSignals:
    """The signals of this process while a machine is up: kept until somebody asks."""

    _CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH)

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._before: dict[signal.Signals, Any] = {}
        self._pipe: tuple[int, int] = (-1, -1)

    @property
    def fd(self) -> int:
        """Readable when a signal came."""
        return self._pipe[0]

    def install(self) -> None:
        """From now on they come to us."""
        self._pipe = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        for number in self._CAUGHT:
            self._before[number] = signal.signal(number, self._note)

    def restore(self) -> None:
        """As it was."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        for fd in self._pipe:
            os.close(fd)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._pending.append(number)
        with contextlib.suppress(BlockingIOError):
            os.write(self._pipe[1], b"!")

    def take(self) -> Iterator[int]:
        """What came since the last time."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._pipe[0], _CHUNK)
        while self._pending:
            yield self._pending.pop(0)

    def end_if_asked(self) -> None:
        """Raise `RunCutShort` if one came since the last time that is to end us; for while a machine comes up."""
        if any(number != signal.SIGWINCH for number in self.take()):
            raise RunCutShort("interrupted before the guest machine was up")
