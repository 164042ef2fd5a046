# SPDX-License-Identifier: MIT
"""Our end of the port: messages to and from the guest's first process, and whether it is alive."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

from amdgpu_hw.guest.channel import Frame, FrameReader, pack, ready
from amdgpu_hw.guest.ending import ConsoleLog, GuestError, MachineProcesses
from amdgpu_hw.guest.terminal import CaughtSignals

__all__ = ("Link", "content_of")

_SILENCE_S = 60.0
"""Without a sign of life from the guest's first process for so long, the guest hangs."""
_CHUNK = 65536


class Link:
    """A conversation with the guest's first process; every method raises `GuestError` when the machine is gone."""

    def __init__(
        self, channel: socket.socket, processes: MachineProcesses, console: ConsoleLog, signals: CaughtSignals
    ) -> None:
        self._channel = channel
        self._processes = processes
        self._console = console
        self._signals = signals
        self._reader = FrameReader()
        self._alive = 0.0
        """When the last sign of life came; 0 before the first."""

    def send(self, frame: Frame, content: bytes = b"") -> None:
        """Send a message."""
        try:
            self._channel.sendall(pack(frame, content))
        except OSError:
            self._processes.check()
            raise GuestError(
                f"the guest machine takes no messages any more; its console is in {self._console.path}"
            ) from None

    def expect(self, wanted: Frame, timeout_s: float, doing: str) -> bytes:
        """Wait for a message of one kind, within so many seconds; what the guest is ``doing`` until then is for people.

        Raises `RunCutShort` when a signal comes that is to end us.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self._signals.end_if_asked()
            for frame, content in self.receive(0.2):
                if frame is wanted:
                    return content
        raise GuestError(
            f"the guest machine did not {doing} within {timeout_s:g} s{self._console.last_words()}; "
            f"its console is in {self._console.path}"
        )

    def receive(self, timeout_s: float, also: int | None = None) -> list[tuple[Frame, bytes]]:
        """Messages that came within so many seconds; none when a signal came or ``also`` can be read."""
        pidfds = self._processes.pidfds
        watched = [self._channel.fileno(), self._signals.fd, *pidfds]
        readable, _ = ready([*watched, *([] if also is None else [also])], timeout_s=timeout_s)
        frames = []
        if self._channel.fileno() in readable:
            try:
                data = self._channel.recv(_CHUNK)
            except ConnectionError:
                data = b""
            if not data:
                self._processes.raise_end()
            self._alive = time.monotonic()
            frames = self._reader.take(data)
        elif readable.intersection(pidfds):
            self._processes.check()
        if self._alive and time.monotonic() - self._alive > _SILENCE_S:
            raise GuestError(
                f"the guest machine hangs: its first process gave no sign of life for {_SILENCE_S:g} s"
                f"{self._console.last_words()}; its console is in {self._console.path}"
            )
        return frames

    def begin_anew(self) -> None:
        """Another first process is to come: forget what this one has said, in the middle of a message perhaps."""
        with contextlib.suppress(BlockingIOError):
            while self._channel.recv(_CHUNK, socket.MSG_DONTWAIT):
                pass
        self._reader = FrameReader()
        self._alive = 0.0


def content_of(message: bytes) -> dict[str, Any]:
    """What a message in JSON says; raises `GuestError` where it is none."""
    try:
        answer = json.loads(message)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise GuestError(f"the guest machine sent what is no message: {message[:80]!r}")
    return answer
