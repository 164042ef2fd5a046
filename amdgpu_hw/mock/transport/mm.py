# SPDX-License-Identifier: MIT
"""The memory of a client process for as long as anybody needs it (`struct mm_struct`).

A call copies from and to its caller by process number. That is not enough for jobs that run later: the process may
have called exec(), or its number may be another one's. An open /proc/PID/mem belongs to the memory itself: when the
last process that uses it has ended or called exec(), nothing is there any more.
"""

from __future__ import annotations

import errno
import os

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Vma

__all__ = ("ClientMm", "read_vmas")

_CHUNK = 64 * 1024


class ClientMm:
    """The memory that process ``pid`` has now; made with one reference. Raises EPERM where it may not be opened."""

    __slots__ = ("_maps", "_mem", "_references", "pid")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._references = 1
        try:
            self._mem = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
            try:
                self._maps = os.open(f"/proc/{pid}/maps", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                os.close(self._mem)
                raise
        except OSError as error:
            raise KernelError(errno.EPERM, f"the memory of process {pid}: {error.strerror}") from None

    def get(self) -> ClientMm:
        """Take a reference (`mmgrab`)."""
        self._references += 1
        return self

    def put(self) -> None:
        """Drop a reference (`mmdrop`)."""
        self._references -= 1
        if not self._references:
            os.close(self._mem)
            os.close(self._maps)

    @property
    def exiting(self) -> bool:
        """Whether nobody uses this memory any more."""
        return not self._read_maps(1)

    def copy_from_user(self, addr: int, length: int) -> bytes:
        """Read ``length`` bytes; raises EFAULT where nothing is mapped."""
        try:
            data = os.pread(self._mem, length, addr)
        except (OSError, OverflowError) as error:
            raise KernelError(errno.EFAULT, f"cannot read {length} bytes at {addr:#x}: {error}") from None
        if len(data) < length:
            raise KernelError(errno.EFAULT, f"only {len(data)} of {length} bytes at {addr:#x} are mapped")
        return data

    def copy_to_user(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        """Write; raises EFAULT where nothing is mapped."""
        try:
            written = os.pwrite(self._mem, data, addr)
        except (OSError, OverflowError) as error:
            raise KernelError(errno.EFAULT, f"cannot write {len(data)} bytes at {addr:#x}: {error}") from None
        if written < len(data):
            raise KernelError(errno.EFAULT, f"only {written} of {len(data)} bytes at {addr:#x} are mapped")

    def find_vmas(self, addr: int, length: int) -> list[Vma]:
        """The areas that overlap a range, in order; raises ESRCH when nobody uses the memory any more."""
        text = self._read_maps()
        if not text:
            raise KernelError(errno.ESRCH, f"process {self.pid} has ended or called exec")
        return read_vmas(text.decode("utf-8", "replace"), addr, length)

    def _read_maps(self, limit: int | None = None) -> bytes:
        """Return the list of areas, or its first ``limit`` bytes; empty when nobody uses the memory any more."""
        text = b""
        try:
            os.lseek(self._maps, 0, os.SEEK_SET)
            while piece := os.read(self._maps, limit or _CHUNK):
                text += piece
                if limit is not None:
                    break
        except ProcessLookupError:
            return b""
        return text


def read_vmas(maps: str, addr: int, length: int) -> list[Vma]:
    """The areas in the text of /proc/PID/maps that overlap a range."""
    vmas = (_vma(line) for line in maps.splitlines())
    return [vma for vma in vmas if vma.start < addr + length and addr < vma.end]


def _vma(line: str) -> Vma:
    """Read a line of /proc/PID/maps: addresses, permissions, offset, device, inode, perhaps a path."""
    addresses, permissions, _offset, _device, inode, *_path = line.split(maxsplit=5)
    start, end = (int(address, 16) for address in addresses.split("-"))
    return Vma(start, end, permissions[0] == "r", permissions[1] == "w", inode != "0")
