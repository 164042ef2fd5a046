# SPDX-License-Identifier: MIT
"""A command that runs in the guest: its process, its standard streams or terminal, who runs it.

Only the standard library is used: this is imported in the guest, where each import costs emulated time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import pwd
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from amdgpu_hw.guest.channel import Frame, ready

__all__ = ("Command",)

_CHUNK = 65536
_LAST_WORDS_S = 0.1


class Command:
    """A running command. Raises `OSError` or `LookupError` (no such user) where it cannot be started."""

    def __init__(self, request: dict[str, Any]) -> None:
        start = _as_user(request.get("user"))
        self._terminal: int | None = None
        self._unsent = bytearray()
        self._process: subprocess.Popen[bytes]
        if request.get("terminal"):
            self._on_terminal(request, start)
        else:
            self._on_pipes(request, start)

    def _on_terminal(self, request: dict[str, Any], start: dict[str, Any]) -> None:
        ours, theirs = pty.openpty()
        self._terminal = ours
        try:
            self.resize(request["terminal"])
            self._process = _popen(request, (theirs, theirs, theirs), start, _take_terminal)
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._input: int | None = ours
        self._outputs = {ours: Frame.OUT}

    def _on_pipes(self, request: dict[str, Any], start: dict[str, Any]) -> None:
        theirs_in, self._input = os.pipe()
        out, theirs_out = os.pipe()
        err, theirs_err = os.pipe()
        try:
            self._process = _popen(request, (theirs_in, theirs_out, theirs_err), start, None)
        except BaseException:
            for fd in (self._input, out, err):
                os.close(fd)
            raise
        finally:
            for fd in (theirs_in, theirs_out, theirs_err):
                os.close(fd)
        os.set_blocking(self._input, False)
        self._outputs = {out: Frame.OUT, err: Frame.ERR}

    @property
    def pid(self) -> int:
        """Its process id; it leads a process group."""
        return self._process.pid

    @property
    def outputs(self) -> Sequence[int]:
        """The descriptors that may be readable."""
        return tuple(self._outputs)

    @property
    def wants_input(self) -> int | None:
        """The descriptor that is to be waited for before `feed`."""
        return self._input if self._unsent else None

    def output(self, fd: int) -> tuple[Frame, bytes] | None:
        """What it wrote, as a frame; None once this is at its end."""
        try:
            data = os.read(fd, _CHUNK)
        except OSError:  # a terminal that nobody holds any more
            data = b""
        if data:
            return self._outputs[fd], data
        del self._outputs[fd]
        if fd != self._terminal:
            os.close(fd)
        return None

    def rest(self) -> Iterator[tuple[Frame, bytes]]:
        """After its end: what it still had written. A process it left behind may hold the pipes for ever."""
        while self._outputs:
            readable, _ = ready(self._outputs, timeout_s=_LAST_WORDS_S)
            if not readable:
                return
            for fd in readable:
                frame = self.output(fd)
                if frame:
                    yield frame

    def input(self, data: bytes) -> None:
        """Standard input for it; an empty one is the end, which a terminal does not have."""
        if data:
            self._unsent += data
            self.feed()
        elif self._input is not None and self._terminal is None:
            os.set_blocking(self._input, True)
            self.feed()
            os.close(self._input)
            self._input = None

    def feed(self) -> None:
        """Give it what it takes of its input."""
        if self._input is None or not self._unsent:
            return
        try:
            del self._unsent[: os.write(self._input, self._unsent)]
        except BlockingIOError:
            return
        except OSError:  # it reads no more
            self._unsent.clear()

    def signal(self, number: int) -> None:
        """Send a signal to its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def resize(self, size: Sequence[int]) -> None:
        """Tell its terminal how many rows and columns it has."""
        if self._terminal is not None:
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))

    def close(self, status: int) -> None:
        """It has been waited for."""
        self._process.returncode = status
        for fd in {*self._outputs, *(each for each in (self._input, self._terminal) if each is not None)}:
            os.close(fd)


def _popen(
    request: dict[str, Any],
    streams: tuple[int, int, int],
    start: dict[str, Any],
    before: Callable[[], None] | None,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(word) for word in request["command"]],
        stdin=streams[0],
        stdout=streams[1],
        stderr=streams[2],
        cwd=str(request["directory"]),
        env={str(name): str(value) for name, value in request["environment"].items()},
        start_new_session=True,
        preexec_fn=before,
        **start,
    )


def _as_user(user: str | None) -> dict[str, Any]:
    """What makes a process this user's, by name or number."""
    if not user:
        return {}
    entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
