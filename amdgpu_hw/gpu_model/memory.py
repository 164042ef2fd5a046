# SPDX-License-Identifier: MIT
"""Memory as the GPU addresses it: what page-table entries point to.

An address is a number of an allocation and an offset in it. Every placement of a buffer, a move included, gets a
number of its own, which is not used again before 16 million others have been. Therefore an entry that has outlived
what it pointed to is recognised whenever the GPU goes through it (`StaleAddress`), even when the memory has been
given to somebody else; on hardware it would silently reach that one's data. Nothing about the numbers is visible to
clients, who know virtual addresses only.

Finding the bytes of an address is one look into a dict, however many buffers there are.
"""

from __future__ import annotations

from struct import Struct
from typing import Protocol

from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GPU_PAGE_SIZE

from .host_memory import HostMemory

__all__ = ("MAX_ALLOCATION", "ForeignMemory", "GpuMemory", "StaleAddress")

_U32 = Struct("<I")
_U64 = Struct("<Q")

_SHIFT = 40
MAX_ALLOCATION = 1 << _SHIFT
"""Bytes of the largest allocation."""
_OFFSET = MAX_ALLOCATION - 1
_NUMBERS = 1 << (64 - _SHIFT)

_FILL_CHUNK = 1 << 20
_HOST_FACTOR = 4


class StaleAddress(Exception):
    """There is no memory at an address: not any more, or not yet."""

    def __init__(self, address: int) -> None:
        super().__init__(f"no memory at {address:#x}")
        self.address = address


class ForeignMemory(Protocol):
    """Memory that is not the GPU's own, such as pages of a client; offsets and sizes in bytes."""

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes."""
        ...

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Store bytes."""
        ...


class _Nothing:
    """What is left of a window that was removed."""

    def read(self, _offset: int, size: int) -> bytes:
        return bytes(size)

    def write(self, _offset: int, _data: bytes | bytearray | memoryview) -> None:
        """Drop it."""


_NOTHING = _Nothing()


class GpuMemory:
    """The memory of one GPU: VRAM of ``vram_size`` bytes, and ``gtt_size`` of system pages that it can reach.

    The driver decides what is where; here are the bytes (`host`) and the addresses. Accesses raise `StaleAddress`
    where there is nothing, and ValueError when they run over the end of an allocation, which is a bug of the mock.
    """

    def __init__(self, vram_size: int, gtt_size: int) -> None:
        """Make the memory; sizes are multiples of the page size."""
        if vram_size % AMDGPU_GPU_PAGE_SIZE or gtt_size % AMDGPU_GPU_PAGE_SIZE or vram_size + gtt_size <= 0:
            raise ValueError(f"GPU memory of {vram_size:#x} + {gtt_size:#x} bytes is not made of whole pages")
        self.vram_size = vram_size
        self.gtt_size = gtt_size
        # Room for what is swapped out, and for holes between the ranges.
        self.host = HostMemory(_HOST_FACTOR * (vram_size + gtt_size))
        self._map = self.host.map
        self._ranges: dict[int, tuple[int, int]] = {}
        """Number of an allocation -> start in `host`, size."""
        self._windows: dict[int, ForeignMemory] = {}
        self._reserved: set[int] = set()
        self._last = 0

    def close(self) -> None:
        """Give the memory back; mappings of clients stay until they unmap."""
        self._ranges.clear()
        self._windows.clear()
        self.host.close()

    # -- addresses ------------------------------------------------------------------------------------------------

    def reserve(self, size: int) -> int:
        """Return a new address for ``size`` bytes, which has no memory before `enable`."""
        if not 0 < size <= MAX_ALLOCATION:
            raise ValueError(f"an allocation of {size:#x} bytes")
        number = self._last
        while True:
            number = (number + 1) % _NUMBERS or 1
            if number not in self._ranges and number not in self._windows and number not in self._reserved:
                break
        self._last = number
        self._reserved.add(number)
        return number << _SHIFT

    def enable(self, address: int, start: int, size: int) -> None:
        """Make a reserved address show the range of `host` that begins at ``start``."""
        number = address >> _SHIFT
        self._reserved.discard(number)
        self._ranges[number] = (start, size)

    def enable_window(self, address: int, window: ForeignMemory) -> None:
        """Make a reserved address show other memory."""
        number = address >> _SHIFT
        self._reserved.discard(number)
        self._windows[number] = window

    def disable(self, address: int) -> None:
        """Take the memory away from an address, for good."""
        number = address >> _SHIFT
        self._reserved.discard(number)
        self._ranges.pop(number, None)
        self._windows.pop(number, None)

    @staticmethod
    def base_of(address: int) -> int:
        """Return the address of the first byte of an allocation."""
        return address & ~_OFFSET

    def is_live(self, address: int) -> bool:
        """Whether there is memory at an address."""
        number = address >> _SHIFT
        return number in self._ranges or number in self._windows

    def is_reserved(self, address: int) -> bool:
        """Whether there will be memory at an address."""
        return address >> _SHIFT in self._reserved

    def _offset(self, address: int, size: int) -> int:
        """Return where in `host` an address is; -1 when it is elsewhere."""
        found = self._ranges.get(address >> _SHIFT)
        if found is None:
            return -1
        start, length = found
        offset = address & _OFFSET
        if offset + size > length or size < 0:
            raise ValueError(f"[{address:#x}, +{size:#x}] is outside an allocation of {length:#x} bytes")
        return start + offset

    def _window(self, address: int) -> ForeignMemory:
        found = self._windows.get(address >> _SHIFT)
        if found is None:
            raise StaleAddress(address)
        return found

    # -- accesses -------------------------------------------------------------------------------------------------

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes."""
        offset = self._offset(address, size)
        if offset < 0:
            return self._window(address).read(address & _OFFSET, size)
        return self._map[offset : offset + size]

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store bytes."""
        size = len(data)
        offset = self._offset(address, size)
        if offset < 0:
            self._window(address).write(address & _OFFSET, data)
        else:
            self._map[offset : offset + size] = data

    def read_u32(self, address: int) -> int:
        """Return the dword at an address."""
        offset = self._offset(address, 4)
        if offset < 0:
            return int.from_bytes(self.read(address, 4), "little")
        value: int = _U32.unpack_from(self._map, offset)[0]
        return value

    def write_u32(self, address: int, value: int) -> None:
        """Store a dword."""
        self.write(address, _U32.pack(value))

    def read_u64(self, address: int) -> int:
        """Return the qword at an address."""
        offset = self._offset(address, 8)
        if offset < 0:
            return int.from_bytes(self.read(address, 8), "little")
        value: int = _U64.unpack_from(self._map, offset)[0]
        return value

    def write_u64(self, address: int, value: int) -> None:
        """Store a qword."""
        self.write(address, _U64.pack(value))

    def copy(self, dst: int, src: int, size: int) -> None:
        """Copy bytes; overlapping ranges come out as if the source had been read first."""
        to, source = self._offset(dst, size), self._offset(src, size)
        if to < 0 or source < 0:
            self.write(dst, self.read(src, size))
        else:
            self._map.move(to, source, size)

    def fill(self, address: int, pattern: bytes, size: int) -> None:
        """Repeat a pattern over ``size`` bytes; the last repetition may be cut off."""
        if not pattern:
            raise ValueError("cannot fill memory with an empty pattern")
        offset = self._offset(address, size)
        chunk = pattern * (min(size, _FILL_CHUNK) // len(pattern) + 1)
        usable = len(chunk) // len(pattern) * len(pattern)
        done = 0
        while done < size:
            count = min(usable, size - done)
            if offset < 0:
                self.write(address + done, chunk[:count])
            else:
                self._map[offset + done : offset + done + count] = chunk[:count]
            done += count
