# SPDX-License-Identifier: MIT
"""Where the bytes of buffers are: ranges of one large mapping in the mock kernel's process.

A buffer keeps its range for life, whatever its GPU address is and however often it moves between VRAM and GTT: a
client that has mapped it need not be told of a move.

Most ranges are part of one sparse file that no client ever sees. A buffer that a client maps gets a file of its own
at that moment (`HostMemory.file_of`), mapped over its range. So the host kernel counts the references: the memory
lives as long as any mapping in any process, however that came about and however it ends (fork, mremap, exec, kill),
it is never given to another buffer meanwhile, and no client can reach beyond its buffer's ends.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os

from amdgpu_hw.gpu_model.memfd import memfd_create

from .extents import Extents

__all__ = ("HostMemory",)

_MAP_FIXED = 0x10  # <asm-generic/mman-common.h>; the mmap module does not have it
_FALLOC_FL_KEEP_SIZE, _FALLOC_FL_PUNCH_HOLE = 0x1, 0x2  # <linux/falloc.h>
_COPY_CHUNK = 4 << 20

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_ssize_t,
)  # fmt: skip
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


class HostMemory:
    """``size`` bytes of address space for buffers; what was never written costs nothing and reads as 0.

    `map` is the whole mapping; ranges are offsets in it, in whole pages.
    """

    def __init__(self, size: int) -> None:
        """Make the mapping; raises OSError."""
        self.size = size
        self._fd = memfd_create("amdgpu-mock-memory", size)
        self.map = mmap.mmap(self._fd, size)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        self._ranges = Extents(size)
        self._own: dict[int, int] = {}
        """Start of a range -> its own file, -1 for a file that belongs to somebody else."""

    def close(self) -> None:
        """Give the memory back; what clients have mapped stays until they unmap it."""
        for fd in self._own.values():
            if fd >= 0:
                os.close(fd)
        self._own.clear()
        self.map.close()
        os.close(self._fd)

    @property
    def used(self) -> int:
        """Bytes of address space in use."""
        return self._ranges.used

    def alloc(self, size: int) -> int | None:
        """Return the start of a new range, which reads as 0; None when there is no room."""
        return self._ranges.alloc(size)

    def free(self, start: int, size: int) -> None:
        """Give a range back, and its memory unless a client has it mapped."""
        fd = self._own.pop(start, None)
        if fd is None:
            self.discard(start, size)
        else:
            self._map_over(start, size, self._fd, start)
            if fd >= 0:
                os.close(fd)
        self._ranges.free(start, size)

    def discard(self, start: int, size: int) -> None:
        """Zero a range and give its memory back; whole pages only."""
        if start % mmap.PAGESIZE or size % mmap.PAGESIZE:
            raise ValueError(f"cannot discard [{start:#x}, +{size:#x}]: not whole pages")
        if size:
            self.map.madvise(mmap.MADV_REMOVE, start, size)

    def has_own_file(self, start: int) -> bool:
        """Whether the range that begins there may be mapped by clients."""
        return start in self._own

    def file_of(self, start: int, size: int) -> int:
        """Return the descriptor of a file that holds the range and nothing else; made when first asked for.

        Its size cannot be changed, so a client that truncates it cannot make our accesses fail. Raises OSError.
        """
        fd = self._own.get(start)
        if fd is not None:
            return fd
        fd = memfd_create("amdgpu-mock-buffer", size)
        try:
            self._copy_out(start, size, fd)
            self._map_over(start, size, fd, 0)
        except BaseException:
            os.close(fd)
            raise
        _libc.fallocate(self._fd, _FALLOC_FL_PUNCH_HOLE | _FALLOC_FL_KEEP_SIZE, start, size)
        self._own[start] = fd
        return fd

    def adopt(self, start: int, size: int, fd: int, offset: int) -> None:
        """Make a new range show what another file has from ``offset`` on (imported buffers); raises OSError.

        The descriptor is not needed any more afterwards. The file must not shrink.
        """
        self._map_over(start, size, fd, offset)
        self._own[start] = -1

    def _copy_out(self, start: int, size: int, fd: int) -> None:
        """Copy what has been written to a range so far; holes stay holes."""
        position, end = start, start + size
        with memoryview(self.map) as view:
            while position < end:
                try:
                    position = os.lseek(self._fd, position, os.SEEK_DATA)
                except OSError as error:
                    if error.errno == errno.ENXIO:
                        return  # no data behind
                    raise
                stop = min(os.lseek(self._fd, position, os.SEEK_HOLE), end)
                while position < stop:
                    position += os.pwrite(fd, view[position : min(position + _COPY_CHUNK, stop)], position - start)

    def _map_over(self, start: int, size: int, fd: int, offset: int) -> None:
        where = self._base + start
        prot = mmap.PROT_READ | mmap.PROT_WRITE
        if _libc.mmap(where, size, prot, mmap.MAP_SHARED | _MAP_FIXED, fd, offset) != where:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
