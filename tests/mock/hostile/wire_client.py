# SPDX-License-Identifier: MIT
"""A client thread that speaks the wire protocol (wire.h) itself, so that nothing keeps it from saying what it likes.

It runs in the process of the test: pointers are addresses of this process, descriptors its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from amdgpu_hw.mock.transport._transport import lib

from amdgpu_hw.uapi.layout import Ioctl

_MemoryMap: TypeAlias = mmap.mmap
"""By a name of its own: a client has a method `mmap`."""

PATIENCE_S = 20.0
"""Longer than any call takes on a sound mock kernel, however busy the host is."""

IDLE, REQUEST, PASS_FD, REPLY = range(4)
RING, INTERRUPT, PASSED, WAKE, FD = range(1, 6)

_STATE, _CLIENT_SLEEPS, _SEQ, _OP, _RESULT, _PASSED, _HAS_FD, _TEXT = 0, 4, 20, 24, 72, 80, 88, 144
_ARGUMENT_SIZE, _ANSWER_ROOM, _ANSWER_SIZE, _ARGUMENT = (_TEXT + 1024 + 4 * index for index in range(4))
ARGUMENT_MAX = 256
_CALL = struct.Struct("<IIiQ4Q")
"""From seq on: seq, op, fd, (padding is none), inode, arguments."""
_PR_SET_PTRACER = 0x59616D61

_libc = ctypes.CDLL(None)
for _copy in (_libc.pread, _libc.pwrite):
    _copy.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long]


@dataclass
class Reply:
    """How a call ended: ``result`` >= 0 or -errno, and the descriptors that came with it or before it."""

    result: int
    fds: list[int] = field(default_factory=list)


class WireClient:
    """One channel of this process."""

    def __init__(self, directory: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(directory / "socket"))
        (server_pid,) = struct.unpack_from("<I", (directory / "board").read_bytes(), 8)
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, server_pid, 0, 0, 0)
        self.received: list[int] = []
        while not self.received:
            if self._receive() is None:
                raise ConnectionRefusedError("the mock kernel hung up before it gave a slot")
        self._slot_fd = self.received.pop()
        self.slot = mmap.mmap(self._slot_fd, 4096)
        self.seq = 0

    def close(self) -> None:
        """Hang up."""
        self.socket.close()
        for fd in self.received:
            os.close(fd)
        self.received.clear()
        if not self.slot.closed:
            self.slot.close()
            os.close(self._slot_fd)

    def __enter__(self) -> WireClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what an honest client does -----------------------------------------------------------------------------------

    def post(self, op: int, fd: int = -1, ino: int = 0, args: tuple[int, ...] = (), text: bytes = b"") -> None:
        """Begin a call."""
        self.seq += 1
        words = [*args, 0, 0, 0, 0][:4]
        _CALL.pack_into(self.slot, _SEQ, self.seq, op, fd, ino, *words)
        self.slot[_TEXT : _TEXT + len(text)] = text
        self._store(_STATE, REQUEST)
        self.tell(RING)

    def wait(self, patience_s: float = PATIENCE_S) -> Reply:
        """Wait for the end of the call and take what descriptors it brings."""
        deadline = time.monotonic() + patience_s
        while True:
            state = self._load(_STATE)
            if state == PASS_FD:
                self._take_passed(deadline)
            elif state == REPLY:
                break
            else:
                self._store(_CLIENT_SLEEPS, 1)
                if self._load(_STATE) == REQUEST and self._receive(deadline) is None:
                    raise ConnectionResetError("the mock kernel hung up in the middle of a call")
        if self._load(_HAS_FD):
            while not self.received:
                self._receive(deadline)
        fds, self.received = self.received, []
        return Reply(struct.unpack_from("<q", self.slot, _RESULT)[0], fds)

    def send_argument(self, argument: int, size: int) -> None:
        """Have the argument of the next ioctl travel with it, as far as it is there."""
        copied = _libc.pwrite(self._slot_fd, argument, size, _ARGUMENT) if size <= ARGUMENT_MAX else 0
        struct.pack_into("<II", self.slot, _ARGUMENT_SIZE, copied if copied == size else 0, size)

    def receive_answer(self, argument: int) -> bool:
        """Take what the last ioctl has made of its argument; False where it cannot be written."""
        size = self._load(_ANSWER_SIZE)
        struct.pack_into("<II", self.slot, _ARGUMENT_SIZE, 0, 0)
        return not size or _libc.pread(self._slot_fd, argument, size, _ARGUMENT) == size

    def call(self, op: int, fd: int = -1, ino: int = 0, args: tuple[int, ...] = (), text: bytes = b"") -> Reply:
        """Make a call."""
        self.post(op, fd, ino, args, text)
        return self.wait()

    def open(self, path: str, flags: int = os.O_RDWR) -> int:
        """Open a node: the descriptor; raises OSError."""
        reply = self.call(lib.WIRE_OPEN, args=(flags,), text=path.encode() + b"\0")
        if reply.result < 0:
            raise OSError(-reply.result, path)
        return reply.fds[0]

    def post_ioctl(self, fd: int, request: int, argument: int) -> None:
        """Begin an ioctl on one of this process's descriptors."""
        self.post(lib.WIRE_IOCTL, fd, os.fstat(fd).st_ino, (request, argument))

    def raw_ioctl(self, fd: int, request: int, argument: int) -> int:
        """ioctl() by number and address: result or -errno. Descriptors that come have the numbers in the argument."""
        self.post_ioctl(fd, request, argument)
        return self.wait().result

    def ioctl(self, fd: int, ioctl: Ioctl, /, **fields: int | bytes) -> dict[str, int]:
        """An ioctl by fields: the struct afterwards; raises OSError."""
        assert ioctl.struct is not None
        argument = ctypes.create_string_buffer(ioctl.struct.pack(**fields), ioctl.struct.size)
        result = self.raw_ioctl(fd, ioctl.request, ctypes.addressof(argument))
        if result < 0:
            raise OSError(-result, f"{ioctl.name}: {os.strerror(-result)}")
        return ioctl.struct.as_dict(argument.raw)

    def mmap(self, fd: int, offset: int, length: int) -> Reply:
        """Ask for what a mapping needs: the offset in the host's descriptor, and that."""
        prot = mmap.PROT_READ | mmap.PROT_WRITE
        return self.call(lib.WIRE_MMAP, fd, os.fstat(fd).st_ino, (offset, length, prot, mmap.MAP_SHARED))

    def map(self, fd: int, offset: int, length: int) -> _MemoryMap:
        """Map a part of a file; raises OSError."""
        reply = self.mmap(fd, offset, length)
        if reply.result < 0:
            raise OSError(-reply.result, "mmap")
        with closing_fds(*reply.fds):
            return mmap.mmap(reply.fds[0], length, offset=reply.result)

    def flush(self, fd: int) -> int:
        """What close() says before it closes."""
        return self.call(lib.WIRE_FLUSH, fd, os.fstat(fd).st_ino).result

    # -- what others do -----------------------------------------------------------------------------------------------

    def tell(self, kind: int, seq: int | None = None) -> None:
        """Send a message, which need not mean anything."""
        self.socket.send(struct.pack("<II", kind, self.seq if seq is None else seq))

    def fill_slot(self, content: bytes) -> None:
        """Overwrite the slot's beginning, the state too."""
        self.slot[: len(content)] = content

    def lie_about_argument(self, content: bytes, size: int, room: int) -> None:
        """Say of the next ioctl's argument what need not be so."""
        struct.pack_into("<II", self.slot, _ARGUMENT_SIZE, size, room)
        self.slot[_ARGUMENT : _ARGUMENT + len(content)] = content

    def lie_about_descriptor(self, number: int) -> int:
        """Take the descriptor a call brings, close it, and say that it has another number; the call's result."""
        deadline = time.monotonic() + PATIENCE_S
        while self._load(_STATE) != PASS_FD:
            assert time.monotonic() < deadline, f"call {self.seq} brings no descriptor"
            time.sleep(0.001)
        while not self.received:
            self._receive()
        os.close(self.received.pop())
        struct.pack_into("<i", self.slot, _PASSED, number)
        self._store(_STATE, REQUEST)
        self.tell(PASSED)
        return self.wait().result

    # -- details ------------------------------------------------------------------------------------------------------

    def _take_passed(self, deadline: float) -> None:
        while not self.received:
            self._receive(deadline)
        struct.pack_into("<i", self.slot, _PASSED, self.received.pop(0))
        self._store(_STATE, REQUEST)
        self.tell(PASSED)

    def _receive(self, deadline: float | None = None) -> int | None:
        """Receive one message and keep its descriptor; returns the kind, None when the mock kernel has hung up."""
        left = PATIENCE_S if deadline is None else deadline - time.monotonic()
        # Not select(): a long run of tests has descriptors beyond the 1024 that it can do.
        readable = select.poll()
        readable.register(self.socket, select.POLLIN)
        if not readable.poll(max(0.0, left) * 1000):
            raise TimeoutError(f"the mock kernel did not answer call {self.seq} in time")
        try:
            message, fds, _, _ = socket.recv_fds(self.socket, 8, 1)
        except ConnectionResetError:
            return None
        self.received += fds
        return int(struct.unpack("<II", message)[0]) if len(message) == 8 else None

    def _load(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self.slot, offset)[0])

    def _store(self, offset: int, value: int) -> None:
        struct.pack_into("<I", self.slot, offset, value)


@contextlib.contextmanager
def closing_fds(*fds: int) -> Iterator[tuple[int, ...]]:
    """Close descriptors at the end."""
    try:
        yield fds
    finally:
        for fd in fds:
            os.close(fd)
