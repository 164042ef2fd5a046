# SPDX-License-Identifier: MIT
"""Programs that serve a guest machine: none of them outlives the process that started it, however that ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from amdgpu_hw.errors import HarnessError

__all__ = ("Child", "wait_for_socket")

_PR_SET_PDEATHSIG = 1
_TERM_S = 2.0
_POLL_S = 0.01
_LIBC = ctypes.CDLL(None, use_errno=True)
_LAST_WORDS = 300


class Child:
    """A program with its own session and log; the kernel kills it when the thread that started it ends."""

    def __init__(self, name: str, command: Sequence[str], log: Path, pass_fds: Sequence[int] = ()) -> None:
        self.name = name
        self.log = log
        parent = os.getpid()
        with log.open("ab") as output:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=pass_fds,
                    start_new_session=True,  # Ctrl-C is for us to tell
                    preexec_fn=lambda: _die_with(parent),
                )
            except OSError as error:
                raise HarnessError(f"{name} cannot be started ({command[0]}): {error.strerror}") from None
        self.pidfd = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def how(self) -> str:
        """How it ended, in words, with the last line that it wrote."""
        status = self._process.poll()
        if status is None:
            return f"{self.name} still runs"
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
        last = last_line(self.log)
        return f"{self.name} {how}" + (f" ({last})" if last else "")

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended within so many seconds."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> None:
        """Ask it to end, then make it."""
        if not self.ended():
            self._process.terminate()
            if not self.wait(_TERM_S):
                # The whole session: virtiofsd forks a child that does the work.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def _die_with(parent: int) -> None:
    """Runs between fork and exec: only async-signal-safe things."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def last_line(log: Path) -> str:
    """The last line of a log that says anything."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:_LAST_WORDS] for line in reversed(lines) if line.strip()), "")


def wait_for_socket(path: Path, child: Child, timeout_s: float, interrupted: Callable[[], None]) -> None:
    """Wait until a program listens; raises `HarnessError` if it ends or takes too long.

    ``interrupted`` is called while waiting and raises what the user did.
    """
    deadline = time.monotonic() + timeout_s
    while not path.is_socket():
        interrupted()
        if child.ended():
            raise HarnessError(child.how())
        if time.monotonic() > deadline:
            raise HarnessError(f"{child.name} did not listen within {timeout_s:g} s; its log is {child.log}")
        time.sleep(_POLL_S)
