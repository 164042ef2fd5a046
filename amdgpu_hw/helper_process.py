# SPDX-License-Identifier: MIT
"""A process of ours beside this one, which takes messages and descriptors over a socket.

It is for work that has to belong to somebody else: it ends when the socket does, however this process ended. Start it
before any work is gated: a new process closes its copies of our descriptors, and closing a render node blocks while
work of its address space is gated (KERNEL.md 4.8).
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence

from amdgpu_hw.errors import AmdgpuHwError

__all__ = ("READY", "HelperProcess", "run_helper", "started_processes")

READY = b"ready"
"""What a helper sends once it can work; anything else is a sentence that says why it cannot."""

_END_S = 2.0
_started: set[int] = set()
_LONGEST_MESSAGE = 4096


def started_processes() -> frozenset[int]:
    """Every process that this one has started so far, those that have ended as well: the kernel may still name them."""
    return frozenset(_started)


def run_helper(arguments: Sequence[str], work: Callable[[socket.socket, Sequence[str]], None]) -> int:
    """The helper's side: ``work`` with its end of the socket and its other arguments; returns the exit status.

    Ends when ``work`` does. What stopped it goes to the other end, in a sentence.
    """
    with socket.socket(fileno=int(arguments[0])) as channel:
        try:
            work(channel, arguments[1:])
        except (AmdgpuHwError, OSError) as error:
            with contextlib.suppress(OSError):  # nobody listens any more
                channel.send(str(error).encode())
            return 1
    return 0


class HelperProcess:
    """``python -m module SOCKET_FD ARGUMENTS``, with a socket to it. Raises `OSError` where it cannot be started.

    ``start_s`` bounds how long it may take until it is ready.
    """

    def __init__(self, module: str, *arguments: str, start_s: float) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno()), *arguments],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the tests; this process ends when its socket does
            )
        _started.add(self._process.pid)
        answer, _ = self.receive(start_s)
        self.trouble = None if answer == READY.decode() else answer
        """Why it cannot work, in a sentence; None if it can."""

    def send(self, message: str, descriptors: Sequence[int] = ()) -> None:
        """Send a message; raises `OSError` if the process is gone."""
        socket.send_fds(self._socket, [message.encode()], descriptors)

    def receive(self, timeout_s: float) -> tuple[str, list[int]]:
        """A message and its descriptor, which the caller owns; a sentence if none comes in time, or none any more."""
        self._socket.settimeout(timeout_s)
        try:
            message, fds, _, _ = socket.recv_fds(self._socket, _LONGEST_MESSAGE, 1)
        except TimeoutError:
            return f"the other process does not answer within {timeout_s:g} s", []
        except OSError as error:
            return f"the other process is gone: {error.strerror}", []
        return message.decode() or "the other process ended", fds

    def kill(self, timeout_s: float) -> bool:
        """Send SIGKILL; whether it is gone within so many seconds. One more call waits on."""
        self._process.kill()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """End it: by closing the socket, or by force if that does not help."""
        self._socket.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
