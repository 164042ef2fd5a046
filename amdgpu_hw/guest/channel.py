# SPDX-License-Identifier: MIT
"""What the two ends of a guest machine say to each other over its virtio-serial port.

A frame is one byte that names it, its length (32 bits, little-endian) and so many bytes. The guest's end must not be
trusted: a kernel under test may write anything, so a frame that is not one ends the conversation.
"""

from __future__ import annotations

import enum
import select
import struct
from collections.abc import Iterable

from amdgpu_hw.errors import HarnessError

__all__ = ("LONGEST_FRAME", "PORT", "Frame", "FrameReader", "pack", "ready")

PORT = "amdgpu-hw"
"""Name of the virtio-serial port."""

LONGEST_FRAME = 1 << 20
_HEADER = struct.Struct("<cI")


class Frame(enum.Enum):
    """Names of frames; the first five go to the host."""

    READY = b"r"
    """Modules were loaded: JSON with how long each took, and what was refused."""
    ALIVE = b"a"
    """The kernel still schedules; nothing in it."""
    OUT = b"o"
    ERR = b"e"
    EXIT = b"x"
    """JSON: the exit status of the command, or why there is none."""
    RUN = b"R"
    """To the guest: JSON with a command."""
    IN = b"I"
    """Standard input; an empty one is its end."""
    SIGNAL = b"S"
    """JSON: the number of a signal for the command."""
    LOAD = b"L"
    """JSON: modules with their parameters, to be loaded in this order."""
    SIZE = b"W"
    """JSON: rows and columns of the terminal."""
    OFF = b"O"
    """End the machine."""


def pack(frame: Frame, content: bytes = b"") -> bytes:
    """The bytes of a frame."""
    if len(content) > LONGEST_FRAME:
        raise ValueError(f"a frame of {len(content)} bytes")
    return _HEADER.pack(frame.value, len(content)) + content


class FrameReader:
    """Takes bytes as they come and gives frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, data: bytes) -> list[tuple[Frame, bytes]]:
        """The frames that are complete now; raises `HarnessError` when this cannot be one."""
        self._bytes += data
        frames = []
        while len(self._bytes) >= _HEADER.size:
            name, length = _HEADER.unpack_from(self._bytes)
            try:
                frame = Frame(name)
            except ValueError:
                raise HarnessError(f"the guest machine sent what is no message: {bytes(self._bytes[:16])!r}") from None
            if length > LONGEST_FRAME:
                raise HarnessError(f"the guest machine sent a message of {length} bytes")
            end = _HEADER.size + length
            if len(self._bytes) < end:
                break
            frames.append((frame, bytes(self._bytes[_HEADER.size : end])))
            del self._bytes[:end]
        return frames


def ready(
    reading: Iterable[int], writing: Iterable[int] = (), timeout_s: float | None = None
) -> tuple[set[int], set[int]]:
    """Return which descriptors can be read, or have ended, and which can be written; none when the time is over.

    As select() does, which knows no descriptor above 1023.
    """
    reading, writing = frozenset(reading), frozenset(writing)
    poller = select.poll()
    for fd in reading | writing:
        poller.register(fd, (select.POLLIN if fd in reading else 0) | (select.POLLOUT if fd in writing else 0))
    found = poller.poll(None if timeout_s is None else round(timeout_s * 1000))
    readable = {fd for fd, events in found if events & ~select.POLLOUT}
    writable = {fd for fd, events in found if events & ~select.POLLIN}
    return readable & reading, writable & writing
