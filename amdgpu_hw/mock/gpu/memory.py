# SPDX-License-Identifier: MIT
"""All memory of the mock GPU: one file that clients map parts of, and that rings read and write."""

from __future__ import annotations

import mmap
import os
from struct import Struct

__all__ = ("GpuMemory",)

_U32 = Struct("<I")
_U64 = Struct("<Q")

_FILL_CHUNK = 1 << 20


class GpuMemory:
    """VRAM at [0, ``vram_size``) and GTT behind it, as one memfd; addresses are offsets in it, in bytes.

    The file is sparse: memory that was never written costs nothing and reads as 0. Accesses outside raise
    ValueError, for they are bugs of the mock kernel: clients only get here through page tables.
    """

    def __init__(self, vram_size: int, gtt_size: int) -> None:
        """Make the file; both sizes are multiples of the page size."""
        if vram_size % mmap.PAGESIZE or gtt_size % mmap.PAGESIZE or vram_size + gtt_size <= 0:
            raise ValueError(f"GPU memory of {vram_size:#x} + {gtt_size:#x} bytes is not made of whole pages")
        self.vram_size = vram_size
        self.gtt_size = gtt_size
        self.size = vram_size + gtt_size
        self.fd = os.memfd_create("amdgpu-mock-memory", os.MFD_CLOEXEC)
        """The file, to be mapped by clients."""
        os.ftruncate(self.fd, self.size)
        self._map = mmap.mmap(self.fd, self.size)

    def close(self) -> None:
        """Give the memory back; mappings of clients stay until they unmap."""
        self._map.close()
        os.close(self.fd)

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes."""
        self._check(address, size)
        return self._map[address : address + size]

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store bytes."""
        self._check(address, len(data))
        self._map[address : address + len(data)] = data

    def read_u32(self, address: int) -> int:
        """Return the dword at an address."""
        self._check(address, 4)
        value: int = _U32.unpack_from(self._map, address)[0]
        return value

    def write_u32(self, address: int, value: int) -> None:
        """Store a dword."""
        self._check(address, 4)
        _U32.pack_into(self._map, address, value)

    def read_u64(self, address: int) -> int:
        """Return the qword at an address."""
        self._check(address, 8)
        value: int = _U64.unpack_from(self._map, address)[0]
        return value

    def write_u64(self, address: int, value: int) -> None:
        """Store a qword."""
        self._check(address, 8)
        _U64.pack_into(self._map, address, value)

    def copy(self, dst: int, src: int, size: int) -> None:
        """Copy bytes; overlapping ranges come out as if the source had been read first."""
        self._check(dst, size)
        self._check(src, size)
        self._map.move(dst, src, size)

    def fill(self, address: int, pattern: bytes, size: int) -> None:
        """Repeat a pattern over ``size`` bytes; the last repetition may be cut off."""
        self._check(address, size)
        if not pattern:
            raise ValueError("cannot fill memory with an empty pattern")
        chunk = pattern * (min(size, _FILL_CHUNK) // len(pattern) + 1)
        usable = len(chunk) // len(pattern) * len(pattern)
        end = address + size
        while address < end:
            count = min(usable, end - address)
            self._map[address : address + count] = chunk[:count]
            address += count

    def discard(self, address: int, size: int) -> None:
        """Zero a range and give its host memory back; whole pages only."""
        self._check(address, size)
        if address % mmap.PAGESIZE or size % mmap.PAGESIZE:
            raise ValueError(f"cannot discard [{address:#x}, +{size:#x}]: not whole pages")
        if size:
            self._map.madvise(mmap.MADV_REMOVE, address, size)

    def _check(self, address: int, size: int) -> None:
        if address < 0 or size < 0 or address + size > self.size:
            raise ValueError(f"[{address:#x}, +{size:#x}] is outside the GPU's memory of {self.size:#x} bytes")
