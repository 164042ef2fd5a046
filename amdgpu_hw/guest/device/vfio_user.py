# SPDX-License-Identifier: MIT
"""The vfio-user protocol, server side: one PCI device for one client at a time (QEMU's docs/interop/vfio-user.rst).

Messages are bounded before they are read. A request that makes no sense is answered with an error; where not even the
header does, the connection is closed and the next client is waited for.
"""

from __future__ import annotations

import array
import errno
import json
import os
import socket
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

__all__ = ("CONFIG_REGION", "Device", "ProtocolError", "Region", "VfioCommand", "VfioUserServer")

HEADER = struct.Struct("<HHIII")
"""Message ID, command, size with the header, flags, error."""
REPLY = 1
TYPE_MASK = 0xF
NO_REPLY = 1 << 4
ERROR = 1 << 5

MOST_BYTES = 1 << 20
"""Data of one READ or WRITE."""
MOST_FDS = 8
MOST_SIZE = HEADER.size + 4096 + MOST_BYTES
CONFIG_REGION = 7
REGIONS = 9
IRQS = 5
IRQ_INTX, IRQ_MSI = 0, 1

REGION_READ, REGION_WRITE, REGION_MMAP = 1, 2, 4
IRQ_EVENTFD, IRQ_MASKABLE, IRQ_AUTOMASKED, IRQ_NORESIZE = 1, 2, 4, 8
SET_NONE, SET_BOOL, SET_EVENTFD = 1, 2, 4
ACTION_MASK, ACTION_UNMASK, ACTION_TRIGGER = 8, 16, 32
DMA_READABLE, DMA_WRITABLE = 1, 2
DEVICE_RESET, DEVICE_PCI = 1, 2


class VfioCommand(IntEnum):
    """VFIO_USER_*."""

    VERSION = 1
    DMA_MAP = 2
    DMA_UNMAP = 3
    DEVICE_GET_INFO = 4
    DEVICE_GET_REGION_INFO = 5
    DEVICE_GET_REGION_IO_FDS = 6
    DEVICE_GET_IRQ_INFO = 7
    DEVICE_SET_IRQS = 8
    REGION_READ = 9
    REGION_WRITE = 10
    DMA_READ = 11
    DMA_WRITE = 12
    DEVICE_RESET = 13
    REGION_WRITE_MULTI = 15


class ProtocolError(Exception):
    """A request that cannot be done; ``number`` is the errno of the reply."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


class _Broken(Exception):
    """What came is no message: the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Region:
    """A region of the device: its size, and the file behind it where the client may map it."""

    size: int
    writable: bool = True
    fd: int | None = None


class Device(Protocol):
    """What the server serves."""

    regions: dict[int, Region]

    def region_read(self, region: int, offset: int, size: int) -> bytes:
        """Return bytes of a region; the range is inside it."""
        ...

    def region_write(self, region: int, offset: int, data: bytes) -> None:
        """Store bytes in a region; the range is inside it."""
        ...

    def dma_map(self, address: int, size: int, fd: int, offset: int, writable: bool) -> None:
        """Make a range of the guest's memory reachable; ValueError if it cannot be."""
        ...

    def dma_unmap(self, address: int, size: int) -> int:
        """Take a range away, returns its bytes; ValueError if it cannot be."""
        ...

    def dma_clear(self) -> None:
        """Take everything away."""
        ...

    def reset(self) -> None:
        """Do what a reset of the function does."""
        ...

    def log(self, text: str) -> None:
        """Write a line to the machine's log."""
        ...


@dataclass(slots=True)
class _Message:
    id: int
    command: int
    flags: int
    body: bytes
    fds: list[int] = field(default_factory=list)

    def take_fd(self) -> int | None:
        return self.fds.pop(0) if self.fds else None

    def close(self) -> None:
        while self.fds:
            os.close(self.fds.pop())


class VfioUserServer:
    """Listens on a UNIX socket. `serve_one` handles one message; `interrupt` triggers the MSI."""

    def __init__(self, path: str, device: Device) -> None:
        self._device = device
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(1)
        self._client: socket.socket | None = None
        self._vectors: dict[tuple[int, int], int] = {}
        self._agreed = False
        self._handlers = {
            VfioCommand.VERSION: self._version,
            VfioCommand.DMA_MAP: self._dma_map,
            VfioCommand.DMA_UNMAP: self._dma_unmap,
            VfioCommand.DEVICE_GET_INFO: self._get_info,
            VfioCommand.DEVICE_GET_REGION_INFO: self._get_region_info,
            VfioCommand.DEVICE_GET_REGION_IO_FDS: self._get_region_io_fds,
            VfioCommand.DEVICE_GET_IRQ_INFO: self._get_irq_info,
            VfioCommand.DEVICE_SET_IRQS: self._set_irqs,
            VfioCommand.REGION_READ: self._region_read,
            VfioCommand.REGION_WRITE: self._region_write,
            VfioCommand.DEVICE_RESET: self._reset,
            VfioCommand.REGION_WRITE_MULTI: self._region_write_multi,
        }

    # -- connection ---------------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """Return what to poll for the next message, or the next client."""
        return (self._client or self._listener).fileno()

    @property
    def connected(self) -> bool:
        """Whether there is a client."""
        return self._client is not None

    def close(self) -> None:
        """Stop listening, and take the socket away."""
        self._disconnect()
        self._listener.close()
        if os.path.exists(self._path):
            os.unlink(self._path)

    def serve_one(self) -> None:
        """Take a client, or a message of the client there is."""
        if self._client is None:
            self._client, _ = self._listener.accept()
            self._client.settimeout(5)
            self._device.log("a client has connected")
            return
        try:
            message = self._receive(self._client)
        except (_Broken, OSError) as error:
            self._device.log(f"the client is gone: {error}")
            self._disconnect()
            return
        try:
            self._answer(self._client, message)
        except OSError as error:
            self._device.log(f"the client is gone: {error}")
            self._disconnect()
        finally:
            message.close()

    def interrupt(self) -> None:
        """Trigger the MSI, or INTx where the client has only that."""
        fd = self._vectors.get((IRQ_MSI, 0), self._vectors.get((IRQ_INTX, 0)))
        if fd is not None:
            try:
                os.write(fd, (1).to_bytes(8, "little"))
            except OSError as error:
                self._device.log(f"the interrupt cannot be told: {error}")

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        for fd in self._vectors.values():
            os.close(fd)
        self._vectors.clear()
        self._agreed = False
        self._device.dma_clear()
        self._device.reset()

    def _receive(self, client: socket.socket) -> _Message:
        """Read one message; the descriptors that come with its header are its."""
        fds: list[int] = []
        try:
            header = self._read(client, HEADER.size, fds)
            number, command, size, flags, _error = HEADER.unpack(header)
            if not HEADER.size <= size <= MOST_SIZE:
                raise _Broken(f"a message of {size} bytes")
            if flags & TYPE_MASK:
                raise _Broken(f"a message of type {flags & TYPE_MASK}, which is no command")
            body = self._read(client, size - HEADER.size, fds)
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        return _Message(number, command, flags, body, fds)

    @staticmethod
    def _read(client: socket.socket, size: int, fds: list[int]) -> bytes:
        data = bytearray()
        while len(data) < size:
            room = socket.CMSG_SPACE(MOST_FDS * array.array("i").itemsize)
            more, ancillary, flags, _ = client.recvmsg(size - len(data), room, socket.MSG_CMSG_CLOEXEC)
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    found = array.array("i")
                    found.frombytes(content[: len(content) - len(content) % found.itemsize])
                    fds.extend(found)
            if flags & socket.MSG_CTRUNC or len(fds) > MOST_FDS:
                raise _Broken(f"more than {MOST_FDS} descriptors with a message")
            if not more:
                raise _Broken("end of file" if not data and size == HEADER.size else "the end inside a message")
            data += more
        return bytes(data)

    def _answer(self, client: socket.socket, message: _Message) -> None:
        body = b""
        fds: tuple[int, ...] = ()
        number = 0
        try:
            handler = self._handlers.get(VfioCommand(message.command)) if message.command in _COMMANDS else None
            if handler is None:
                raise ProtocolError(errno.EOPNOTSUPP, f"command {message.command} is not supported")
            if not self._agreed and message.command != VfioCommand.VERSION:
                raise ProtocolError(errno.EINVAL, "the first message has to be VERSION")
            body, fds = handler(message)
        except ProtocolError as error:
            number = error.number
            self._device.log(f"refused: {error}")
        except struct.error:
            number = errno.EINVAL
            self._device.log(f"refused: command {message.command} with {len(message.body)} bytes is too short")
        except ValueError as error:
            number = errno.EINVAL
            self._device.log(f"refused: {error}")
        if message.flags & NO_REPLY:
            return
        flags = REPLY | (ERROR if number else 0)
        reply = HEADER.pack(message.id, message.command, HEADER.size + len(body), flags, number) + body
        if fds:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
            sent = client.sendmsg([reply], [rights])
            reply = reply[sent:]
        client.sendall(reply)

    # -- commands -----------------------------------------------------------------------------------------------------

    def _version(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        major, _minor = struct.unpack_from("<HH", message.body)
        if major != 0:
            raise ProtocolError(errno.EINVAL, f"version {major} of vfio-user is not known here")
        self._agreed = True
        capabilities = {
            "max_msg_fds": MOST_FDS,
            "max_data_xfer_size": MOST_BYTES,
            "pgsizes": 4096,
            "max_dma_maps": 4096,
            "write_multiple": True,
        }
        return struct.pack("<HH", 0, 0) + json.dumps({"capabilities": capabilities}).encode() + b"\0", ()

    def _get_info(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        struct.unpack_from("<IIII", message.body)
        return struct.pack("<IIII", 16, DEVICE_RESET | DEVICE_PCI, REGIONS, IRQS), ()

    def _get_region_info(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        _argsz, _flags, index, _cap, _size, _offset = struct.unpack_from("<IIIIQQ", message.body)
        if index >= REGIONS:
            raise ProtocolError(errno.EINVAL, f"there is no region {index}")
        region = self._device.regions.get(index, Region(0, False))
        flags = 0
        if region.size:
            flags = (
                REGION_READ | (REGION_WRITE if region.writable else 0) | (REGION_MMAP if region.fd is not None else 0)
            )
        body = struct.pack("<IIIIQQ", 32, flags, index, 0, region.size, 0)
        return body, (region.fd,) if region.fd is not None else ()

    def _get_region_io_fds(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        _argsz, _flags, index, _count = struct.unpack_from("<IIII", message.body)
        return struct.pack("<IIII", 16, 0, index, 0), ()

    def _get_irq_info(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        _argsz, _flags, index, _count = struct.unpack_from("<IIII", message.body)
        if index >= IRQS:
            raise ProtocolError(errno.EINVAL, f"there is no interrupt {index}")
        count = 1 if index in (IRQ_INTX, IRQ_MSI) else 0
        flags = IRQ_EVENTFD | (IRQ_MASKABLE | IRQ_AUTOMASKED if index == IRQ_INTX else IRQ_NORESIZE)
        return struct.pack("<IIII", 16, flags, index, count), ()

    def _set_irqs(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        _argsz, flags, index, start, count = struct.unpack_from("<IIIII", message.body)
        if index >= IRQS:
            raise ProtocolError(errno.EINVAL, f"there is no interrupt {index}")
        if flags & SET_EVENTFD:
            if start or count > 1 or (count and index not in (IRQ_INTX, IRQ_MSI)):
                raise ProtocolError(errno.EINVAL, f"interrupt {index} has no vectors {start} to {start + count}")
            if count and flags & ACTION_TRIGGER:
                self._set_vector(index, message.take_fd())
        elif flags & SET_NONE and flags & ACTION_TRIGGER and not count:
            self._set_vector(index, None)
        return b"", ()

    def _set_vector(self, index: int, fd: int | None) -> None:
        old = self._vectors.pop((index, 0), None)
        if old is not None:
            os.close(old)
        if fd is not None:
            os.set_blocking(fd, False)
            self._vectors[index, 0] = fd

    def _dma_map(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        _argsz, flags, offset, address, size = struct.unpack_from("<IIQQQ", message.body)
        fd = message.take_fd()
        if fd is None:
            # Memory without a file would have to be read through the client: QEMU gives us files for all RAM.
            self._device.log(f"DMA_MAP of [{address:#x}, +{size:#x}] without a descriptor: it stays out of reach")
            return b"", ()
        try:
            self._device.dma_map(address, size, fd, offset, bool(flags & DMA_WRITABLE))
        finally:
            os.close(fd)
        return b"", ()

    def _dma_unmap(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        _argsz, flags, address, size = struct.unpack_from("<IIQQ", message.body)
        if flags & 2:
            self._device.dma_clear()
        else:
            self._device.dma_unmap(address, size)
        return struct.pack("<IIQQ", 24, flags, address, size), ()

    def _region_read(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        offset, index, count = self._access(message.body, 0)
        return message.body[:16] + self._device.region_read(index, offset, count), ()

    def _region_write(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        self._store(message.body, 0)
        return message.body[:16], ()

    def _region_write_multi(self, message: _Message) -> tuple[bytes, tuple[int, ...]]:
        (count,) = struct.unpack_from("<Q", message.body)
        if count > len(message.body) // 24:
            raise ProtocolError(errno.EINVAL, f"{count} writes in {len(message.body)} bytes")
        for number in range(count):
            self._store(message.body[: 8 + 24 * number + 24], 8 + 24 * number)
        return message.body[:8], ()

    def _store(self, body: bytes, at: int) -> None:
        offset, index, count = self._access(body, at)
        data = body[at + 16 : at + 16 + count]
        if len(data) != count:
            raise ProtocolError(errno.EINVAL, f"a write of {count} bytes with {len(data)}")
        if self._device.regions[index].writable:
            self._device.region_write(index, offset, data)

    def _access(self, body: bytes, at: int) -> tuple[int, int, int]:
        offset, index, count = struct.unpack_from("<QII", body, at)
        region = self._device.regions.get(index)
        if region is None or count > MOST_BYTES or offset + count > region.size:
            raise ProtocolError(errno.EINVAL, f"there is no [{offset:#x}, +{count:#x}] in region {index}")
        return offset, index, count

    def _reset(self, _message: _Message) -> tuple[bytes, tuple[int, ...]]:
        self._device.log("the client resets the function")
        self._device.reset()
        return b"", ()


_COMMANDS = frozenset(VfioCommand)
