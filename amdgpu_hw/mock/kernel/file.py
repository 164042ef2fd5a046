# SPDX-License-Identifier: MIT
"""Open files of the mock kernel (`struct file` and its `file_operations`) and the caller of a system call.

This is the whole interface between the mock kernel and whatever carries system calls to it: the transport knows
`File` and `Caller` and no DRM; the kernel knows `Caller` and no transport.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.wait import Blocking

__all__ = ("Caller", "File", "FileStat", "RecordFile", "TextFile", "UserMm", "Vma")


@dataclass(frozen=True, slots=True)
class FileStat:
    """What fstat() says about an open file; a node's ``path`` lets it agree with stat() of that path."""

    mode: int
    rdev_major: int = 0
    rdev_minor: int = 0
    size: int = 0
    path: str | None = None


class Vma(NamedTuple):
    """A memory area of a process (`struct vm_area_struct`), addresses in bytes."""

    start: int
    end: int
    readable: bool
    writable: bool
    has_file: bool
    """Whether it maps a file or shared memory."""


class UserMm(Protocol):
    """The memory of a process (`struct mm_struct`), for what goes on after the call has ended.

    Nothing is in it any more once its process has ended, or runs another program.
    """

    def copy_from_user(self, addr: int, length: int) -> bytes:
        """Read ``length`` bytes; raises `KernelError` (EFAULT)."""

    def copy_to_user(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        """Write; raises `KernelError` (EFAULT)."""

    def find_vmas(self, addr: int, length: int) -> list[Vma]:
        """The areas that overlap a range, in order; raises ESRCH when nobody uses the memory any more."""

    def put(self) -> None:
        """Drop the reference (`mmdrop`)."""


class Caller(Protocol):
    """The client thread behind a system call."""

    @property
    def pid(self) -> int:
        """Process id (thread group id)."""

    @property
    def tid(self) -> int:
        """Thread id."""

    @property
    def comm(self) -> str:
        """Name of the process, as in /proc/PID/comm."""

    @property
    def exiting(self) -> bool:
        """Whether the call comes from the end of a process, whose files are closed for it (PF_EXITING)."""

    def copy_from_user(self, addr: int, length: int) -> bytes:
        """Read ``length`` bytes of the client's memory; raises `KernelError` (EFAULT)."""

    def copy_to_user(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        """Write to the client's memory; raises `KernelError` (EFAULT)."""

    def copy_argument_to_user(self, argp: int, data: bytes | bytearray) -> None:
        """Write an ioctl's argument back, as the last thing before it ends; EFAULT then takes the place of its result.

        Raises it or, where the client's side finds out, lets the call end with it.
        """

    def grab_mm(self) -> UserMm:
        """A reference on the memory of the calling process (`mmgrab`); raises `KernelError` (EPERM)."""

    def fget(self, fd: int) -> File | None:
        """The mock file behind a descriptor of the client, None for an open file of another kind; raises EBADF."""

    def foreign_fd(self, fd: int) -> int:
        """The kernel's own descriptor for a file of another kind (an eventfd); the kernel closes it. Raises EBADF."""

    def install_fd(self, file: File, cloexec: bool) -> Blocking[int]:
        """Give the client a new descriptor for ``file`` (`fd_install`); returns its number in the client.

        From here on the file is the transport's. When this fails and the file has no other descriptor, it is released,
        now or soon.
        """


class File:
    """An open file description; every method raises `KernelError` where the system call fails."""

    name: str = "anon_inode:file"
    """What /proc/PID/fd/N shows."""

    def __init__(self) -> None:
        self.on_readable: Callable[[], None] | None = None
        self._readable = False

    def ioctl(self, caller: Caller, request: int, argp: int) -> int | Blocking[int]:
        """`unlocked_ioctl`; ``argp`` is an address in the client."""
        raise KernelError(errno.ENOTTY)

    def read(self, size: int) -> Blocking[bytes]:
        """`read`: up to ``size`` bytes of text from where the last one ended; none at the end."""
        raise KernelError(errno.EINVAL)

    def mmap(self, caller: Caller, offset: int, length: int, prot: int, flags: int) -> tuple[int, int]:
        """`mmap`: the host's descriptor to map and the offset in it (bytes)."""
        raise KernelError(errno.ENODEV)

    def flush(self, caller: Caller) -> Blocking[None] | None:
        """`flush`: called at each close() of a descriptor of this file, also of a duplicate."""
        return None

    def release(self) -> None:
        """`release`: the last descriptor in any process is gone."""

    def seek_end(self) -> int:
        """`llseek(SEEK_END)`: the size in bytes of what can be seeked."""
        raise KernelError(errno.ESPIPE)

    def show_fdinfo(self) -> str:
        """Lines of /proc/PID/fdinfo/N beside those that every file has."""
        return ""

    def stat(self) -> FileStat:
        """What fstat() answers."""
        return FileStat(mode=stat.S_IFREG | 0o600)

    @property
    def readable(self) -> bool:
        """Whether poll() reports POLLIN."""
        return self._readable

    def set_readable(self) -> None:
        """Make poll() report POLLIN on every descriptor of this file from now on."""
        if not self._readable:
            self._readable = True
            if self.on_readable is not None:
                self.on_readable()


class TextFile(File):
    """A file whose content is made when it is opened (`single_open`): clients read it without the mock kernel."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__()
        self.name = name
        self.content = content


class RecordFile(File):
    """A file that is read and written in records: each read() gives one, each write() is one.

    Clients do both without a system call of the mock kernel's; whoever carries the records calls `attached` when it
    can take them, `write` for each that a client wrote, and `release` at the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.send: Callable[[bytes], None] = lambda _record: None
        """Hands a record to the reader; set by whoever carries them."""

    def attached(self) -> None:
        """Records can be sent from now on."""

    def write(self, record: bytes) -> None:
        """Take what a client wrote."""
        raise KernelError(errno.EBADF)
