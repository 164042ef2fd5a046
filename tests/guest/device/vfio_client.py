# SPDX-License-Identifier: MIT
"""A small vfio-user client of ours, written from the protocol's text and sharing nothing with the server."""

from __future__ import annotations

import array
import socket
import struct
from collections.abc import Sequence

from amdgpu_hw.guest.device.vfio_user import VfioUserServer

VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, REGION_INFO, _REGION_FDS, IRQ_INFO, SET_IRQS, READ, WRITE = range(1, 11)
RESET, WRITE_MULTI = 13, 15


class Client:
    """Sends a message, lets the server handle it, and returns the reply."""

    def __init__(self, server: VfioUserServer, path: str) -> None:
        self.server = server
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(5)
        self.socket.connect(path)
        self.server.serve_one()
        self._number = 0

    def close(self) -> None:
        self.socket.close()

    def send(self, command: int, body: bytes = b"", fds: Sequence[int] = (), flags: int = 0) -> None:
        self._number += 1
        message = struct.pack("<HHIII", self._number, command, 16 + len(body), flags, 0) + body
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([message], rights)
        self.server.serve_one()

    def receive(self) -> tuple[int, bytes, list[int]]:
        """Return the error number, the body and the descriptors of a reply."""
        data, ancillary, _, _ = self.socket.recvmsg(1 << 21, 1024)
        fds: list[int] = []
        for _, _, content in ancillary:
            found = array.array("i")
            found.frombytes(content)
            fds.extend(found)
        number, _command, size, flags, error = struct.unpack_from("<HHIII", data)
        assert number == self._number
        assert flags & 0xF == 1, "a reply"
        assert bool(flags & 0x20) == bool(error)
        while len(data) < size:
            data += self.socket.recv(1 << 20)
        return error, data[16:], fds

    def call(self, command: int, body: bytes = b"", fds: Sequence[int] = ()) -> bytes:
        """Return the body of a reply that is no error."""
        self.send(command, body, fds)
        error, reply, _ = self.receive()
        assert not error, error
        return reply

    def refused(self, command: int, body: bytes = b"", fds: Sequence[int] = ()) -> int:
        """Return the error of a reply that is one."""
        self.send(command, body, fds)
        error, _, _ = self.receive()
        assert error
        return error

    def hello(self) -> bytes:
        return self.call(VERSION, struct.pack("<HH", 0, 0) + b'{"capabilities":{}}\0')

    def read(self, region: int, offset: int, size: int) -> bytes:
        return self.call(READ, struct.pack("<QII", offset, region, size))[16:]

    def write(self, region: int, offset: int, data: bytes) -> None:
        self.call(WRITE, struct.pack("<QII", offset, region, len(data)) + data)

    def dma_map(self, address: int, size: int, fd: int, offset: int = 0, flags: int = 3) -> None:
        self.call(DMA_MAP, struct.pack("<IIQQQ", 32, flags, offset, address, size), [fd])
