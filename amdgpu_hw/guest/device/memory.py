# SPDX-License-Identifier: MIT
"""What the GPU can reach: its VRAM, and those parts of the guest's RAM that were given to it (DMA_MAP).

Both are in one space of addresses: VRAM from 0, the guest's bus addresses with `SYSTEM` set. Nothing but what was
mapped is ever touched; an address that was not reads as zeros, drops writes, and is told to the machine's log.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from bisect import bisect_right
from dataclasses import dataclass
from struct import Struct

from .log import MachineLog

__all__ = ("MOST_MAPS", "SYSTEM", "DmaError", "DmaMemory", "PhysicalMemory")

SYSTEM = 1 << 56
"""Set in addresses of the guest's RAM."""
_BUS_MASK = SYSTEM - 1
MOST_MAPS = 4096
_U32 = Struct("<I")
_U64 = Struct("<Q")
_FILL_CHUNK = 1 << 20


class DmaError(ValueError):
    """A mapping that cannot be made or unmade; the message says why."""


@dataclass(slots=True)
class _Range:
    start: int
    end: int
    map: mmap.mmap
    view: memoryview
    writable: bool


class DmaMemory:
    """The parts of the guest's address space that were mapped for DMA, sorted and without overlaps."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ranges: list[_Range] = []

    def map(self, address: int, size: int, fd: int, offset: int, writable: bool) -> None:
        """Make ``size`` bytes of a file reachable at a bus address; the descriptor stays the caller's."""
        if size <= 0 or address < 0 or address + size > 1 << 52:
            raise DmaError(f"[{address:#x}, +{size:#x}] is no range of bus addresses")
        if len(self._ranges) >= MOST_MAPS:
            raise DmaError(f"more than {MOST_MAPS} ranges are mapped")
        index = bisect_right(self._starts, address)
        if (index and self._ranges[index - 1].end > address) or (
            index < len(self._ranges) and self._starts[index] < address + size
        ):
            raise DmaError(f"[{address:#x}, +{size:#x}] overlaps a range that is mapped")
        if offset < 0 or offset + size > os.fstat(fd).st_size:
            raise DmaError(f"[{address:#x}, +{size:#x}] ends behind its file")
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        try:
            mapped = mmap.mmap(fd, size, mmap.MAP_SHARED, protection, offset=offset)
        except (OSError, ValueError, OverflowError) as error:
            raise DmaError(f"[{address:#x}, +{size:#x}] cannot be mapped: {error}") from None
        self._starts.insert(index, address)
        self._ranges.insert(index, _Range(address, address + size, mapped, memoryview(mapped), writable))

    def unmap(self, address: int, size: int) -> int:
        """Take away all ranges inside [address, address + size); returns how many bytes they had."""
        end = address + size
        gone = [one for one in self._ranges if address <= one.start and one.end <= end]
        for one in self._ranges:
            if one.start < end and address < one.end and one not in gone:
                raise DmaError(f"[{address:#x}, +{size:#x}] cuts the range at {one.start:#x}")
        self._drop(gone)
        return sum(one.end - one.start for one in gone)

    def clear(self) -> None:
        """Take away everything."""
        self._drop(list(self._ranges))

    def find(self, address: int) -> _Range | None:
        """Return the range that an address is in."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        found = self._ranges[index]
        return found if address < found.end else None

    def _drop(self, gone: list[_Range]) -> None:
        self._ranges = [one for one in self._ranges if one not in gone]
        self._starts = [one.start for one in self._ranges]
        for one in gone:
            one.view.release()
            one.map.close()


class PhysicalMemory:
    """VRAM and the guest's RAM by address (`gpu_model.gpu.ReachedMemory`)."""

    def __init__(self, vram_size: int, log: MachineLog) -> None:
        self.vram_size = vram_size
        self.fd = os.memfd_create("vram", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, vram_size)
        # QEMU gets the descriptor: with a shorter file our own accesses would end in SIGBUS.
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        self._vram = mmap.mmap(self.fd, vram_size)
        self._view = memoryview(self._vram)
        self.dma = DmaMemory()
        self.bus_master = False
        """The command register's bit: without it the function reaches no RAM."""
        self._log = log

    def close(self) -> None:
        """Give everything back."""
        self.dma.clear()
        self._view.release()
        self._vram.close()
        os.close(self.fd)

    def lose_vram(self) -> None:
        """Forget the content of VRAM, as a reset of the whole GPU may."""
        self._vram.madvise(mmap.MADV_REMOVE)

    def is_live(self, address: int) -> bool:
        """Whether there is memory at an address."""
        if address < SYSTEM:
            return address < self.vram_size
        return self.bus_master and self.dma.find(address & _BUS_MASK) is not None

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes; zeros where there is nothing."""
        if address + size <= self.vram_size:
            return bytes(self._view[address : address + size])
        pieces = []
        while size > 0:
            view, at, count, _ = self._piece(address, size, False)
            pieces.append(bytes(count) if view is None else bytes(view[at : at + count]))
            address += count
            size -= count
        return b"".join(pieces)

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store bytes; what has nowhere to go is dropped."""
        size = len(data)
        if address + size <= self.vram_size:
            self._view[address : address + size] = data
            return
        done = 0
        while done < size:
            view, at, count, writable = self._piece(address + done, size - done, True)
            if view is not None and writable:
                view[at : at + count] = data[done : done + count]
            done += count

    def read_u32(self, address: int) -> int:
        """Return the dword at an address."""
        value: int = _U32.unpack(self.read(address, 4))[0]
        return value

    def read_u64(self, address: int) -> int:
        """Return the qword at an address."""
        value: int = _U64.unpack(self.read(address, 8))[0]
        return value

    def copy(self, dst: int, src: int, size: int) -> None:
        """Copy bytes; overlapping ranges come out as if the source had been read first."""
        self.write(dst, self.read(src, size))

    def fill(self, address: int, pattern: bytes, size: int) -> None:
        """Repeat a pattern over ``size`` bytes."""
        chunk = pattern * (min(size, _FILL_CHUNK) // len(pattern) + 1)
        usable = len(chunk) // len(pattern) * len(pattern)
        done = 0
        while done < size:
            count = min(usable, size - done)
            self.write(address + done, chunk[:count])
            done += count

    def _piece(self, address: int, size: int, write: bool) -> tuple[memoryview | None, int, int, bool]:
        """Return where an access begins (None: nowhere), how far it goes there, and whether it may write."""
        if address < SYSTEM:
            if address < self.vram_size:
                return self._view, address, min(size, self.vram_size - address), True
            self._refuse(address, size, write, "behind the end of VRAM")
            return None, 0, size, False
        bus = address & _BUS_MASK
        if not self.bus_master:
            self._refuse(bus, size, write, "while bus mastering is off")
            return None, 0, size, False
        found = self.dma.find(bus)
        if found is None:
            # Only up to the next page: behind it there may be memory again.
            count = min(size, 4096 - bus % 4096)
            self._refuse(bus, count, write, "which is not mapped for DMA")
            return None, 0, count, False
        if write and not found.writable:
            self._refuse(bus, size, write, "which is mapped for reading only")
        return found.view, bus - found.start, min(size, found.end - bus), found.writable

    def _refuse(self, address: int, size: int, write: bool, why: str) -> None:
        what = "write to" if write else "read of"
        self._log.once(("dma", address >> 12, write), f"refused: DMA {what} {address:#x}+{size:#x}, {why}")
