# SPDX-License-Identifier: MIT
"""The clients of a mock machine as the mock kernel sees them: processes, and threads with their channels."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amdgpu_hw.gpu_model.memfd import is_reserved
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, Task, WaitQueue
from amdgpu_hw.mock.transport._transport import ffi, lib
from amdgpu_hw.mock.transport.mm import ClientMm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.file import File
    from amdgpu_hw.mock.transport.transport import Transport

__all__ = ("Channel", "DepartedProcess", "Process", "check_memory_access")

_READ_AHEAD = 512
_bounce = ffi.new("char[]", 64 * 1024)
_bounced = ffi.buffer(_bounce)
"""For copies from clients; there is one thread."""
_COPY_MAX = 64 * 1024 * 1024
"""More than any array of an ioctl: a client must not make the mock kernel allocate what it likes."""
_ADDRESS_END = 1 << 64
_FD_MAX = 0x7FFF_FFFF
"""Some structs have unsigned descriptors."""


class Process:
    """A client process; ``pidfd`` tells when it has ended."""

    __slots__ = ("_mm", "channels", "comm", "ended", "known_files", "pid", "pidfd")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        if is_reserved(self.pidfd):
            os.close(self.pidfd)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self.comm = ""
        self.ended = False
        self.channels: list[Channel] = []
        self.known_files: set[int] = set()
        """Inodes of the mock files that this process has shown to have a descriptor of."""
        self._mm: ClientMm | None = None

    def close(self) -> None:
        """Forget the process."""
        self.ended = True
        os.close(self.pidfd)
        if self._mm is not None:
            self._mm.put()
            self._mm = None

    def grab_mm(self) -> ClientMm:
        """A reference on the memory that the process has now; raises EPERM."""
        mm = self._mm
        if mm is not None and mm.exiting:  # it has called exec since
            mm.put()
            mm = None
        if mm is None:
            mm = self._mm = ClientMm(self.pid)
        return mm.get()

    def identify_fd(self, fd: int) -> int | None:
        """Inode of the mock file behind a descriptor, None when it is open on something else; raises EBADF."""
        ino, is_mock = ffi.new("uint64_t *"), ffi.new("int *")
        error = lib.transport_identify_fd(self.pidfd, fd, ino, is_mock) if fd <= _FD_MAX else -errno.EBADF
        if error:
            raise KernelError(errno.EBADF, f"descriptor {fd} of process {self.pid}: {os.strerror(-error)}")
        return int(ino[0]) if is_mock[0] else None


class Channel:
    """A client thread: the `Caller` of its system calls."""

    __slots__ = (
        "_answer_room",
        "_argp",
        "_copied",
        "_copied_from",
        "_passed",
        "_passed_number",
        "_transport",
        "answer",
        "argument_size",
        "drop",
        "number",
        "open",
        "pid",
        "process",
        "read_ahead",
        "task",
    )

    def __init__(self, transport: Transport, number: int, process: Process) -> None:
        self._transport = transport
        self.number = number
        self.process = process
        self.pid = process.pid
        process.comm = _comm(process.pid)  # once more for each thread: it changes with exec
        self.open = True
        """False once the thread is gone: nobody hears a reply."""
        self.task: Task[Any] | None = None
        """The system call that the thread sleeps in."""
        self.drop: Callable[[], None] = _nothing
        """Gives back what that call holds, if it is killed."""
        self._argp = 0
        """Where the argument of the ioctl is that runs."""
        self.argument_size = 0
        """How many bytes of it came with the request; 0 once the ioctl has slept."""
        self._answer_room = 0
        """How many bytes of it can go with the reply."""
        self.answer: bytes | None = None
        """Those bytes."""
        self.read_ahead = 0
        """How many bytes to copy where fewer are asked for; 0 outside ioctls and once one has slept.

        What an ioctl points to often lies together, on the stack of a function of libdrm or Mesa. Until something else
        can happen, a copy takes along what follows on the page, and the next one may find there what it wants.
        """
        self._copied_from = self._copied = 0
        """What was copied last (address, bytes)."""
        self._passed = WaitQueue()
        self._passed_number: int | None = None

    @property
    def exiting(self) -> bool:
        """Whether the process has ended: its number may be another one's by now."""
        return self.process.ended

    @property
    def comm(self) -> str:
        """Name of the process."""
        return self.process.comm

    @property
    def tid(self) -> int:
        """Thread id, as the client says."""
        return int(lib.transport_tid(self._transport.handle, self.number))

    def begin_ioctl(self, argp: int, argument_size: int, answer_room: int) -> None:
        """Note where the argument is, and how many bytes of it came with the request and can go with the reply."""
        self._argp = argp
        self.argument_size = argument_size
        self._answer_room = answer_room
        self.read_ahead = _READ_AHEAD
        self._copied = 0

    def copy_from_user(self, addr: int, length: int) -> bytes:
        """Read ``length`` bytes of the client's memory; raises EFAULT."""
        data: bytes
        if length <= self.argument_size and addr == self._argp:
            data = self._transport.argument[:length]
            return data
        ahead = self.read_ahead
        if ahead:
            at = addr - self._copied_from
            if 0 <= at <= self._copied - length:
                data = _bounced[at : at + length]
                return data
        if addr + length > _ADDRESS_END:
            raise KernelError(errno.EFAULT, f"{length} bytes at {addr:#x} wrap around")
        # Not beyond the page, which is there as a whole or not at all.
        count = max(length, min(ahead, mmap.PAGESIZE - addr % mmap.PAGESIZE))
        if count <= len(_bounce):
            buffer, content = _bounce, _bounced
        elif length <= _COPY_MAX:
            buffer = ffi.new("char[]", length)
            content = ffi.buffer(buffer)
        else:
            raise KernelError(errno.ENOMEM, f"{length} bytes are more than a system call may bring")
        error = lib.transport_copy_from(self.pid, buffer, addr, count)
        if error:
            raise KernelError(errno.EFAULT, f"cannot read {length} bytes at {addr:#x}: {os.strerror(-error)}")
        self._copied_from, self._copied = addr, count if buffer is _bounce else 0
        data = content[:length]
        return data

    def copy_to_user(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        """Write to the client's memory; raises EFAULT."""
        if addr + len(data) > _ADDRESS_END:
            raise KernelError(errno.EFAULT, f"{len(data)} bytes at {addr:#x} wrap around")
        self._copied = 0
        error = lib.transport_copy_to(self.pid, addr, ffi.from_buffer(data), len(data))
        if error:
            raise KernelError(errno.EFAULT, f"cannot write {len(data)} bytes at {addr:#x}: {os.strerror(-error)}")

    def copy_argument_to_user(self, argp: int, data: bytes | bytearray) -> None:
        """Write an ioctl's argument back, with the reply if there is room; raises EFAULT."""
        if len(data) <= self._answer_room and argp == self._argp:
            self.answer = bytes(data)
        else:
            self.copy_to_user(argp, data)

    def grab_mm(self) -> ClientMm:
        """A reference on the memory of the process; raises EPERM."""
        return self.process.grab_mm()

    def fget(self, fd: int) -> File | None:
        """The mock file behind a descriptor of the client, None for an open file of another kind; raises EBADF."""
        ino = self.process.identify_fd(fd)
        return None if ino is None else self._transport.file_of(ino)

    def foreign_fd(self, fd: int) -> int:
        """The mock kernel's own duplicate of a descriptor of the client, for the caller to close; raises EBADF."""
        own: int = lib.transport_steal_fd(self.process.pidfd, fd)
        if own < 0:
            raise KernelError(errno.EBADF, f"descriptor {fd} of process {self.pid}: {os.strerror(-own)}")
        return own

    def install_fd(self, file: File, cloexec: bool) -> Blocking[int]:
        """Give the client a descriptor for ``file`` and return its number; the client's thread takes it itself."""
        client_end = self._transport.new_end(file, self.process)
        self._passed_number = None
        error = lib.transport_pass_fd(self._transport.handle, self.number, client_end, cloexec) if self.open else -1
        os.close(client_end)
        if error:
            raise KernelError(errno.ENFILE, "the client cannot be given a descriptor")
        while self._passed_number is None:
            yield Sleep((self._passed,), interruptible=False)
        if self._passed_number < 0:
            raise KernelError(-self._passed_number, "the client could not take a descriptor")
        return self._passed_number

    def passed(self, number: int) -> None:
        """Note what became of the descriptor the client was given: its number or a negative errno."""
        self._passed_number = number
        self._passed.wake_all()


class DepartedProcess:
    """The `Caller` of the flush that the end of a process causes: there is no memory and no descriptor any more."""

    exiting = True

    def __init__(self, process: Process) -> None:
        self.pid = self.tid = process.pid
        self.comm = process.comm

    def copy_from_user(self, addr: int, length: int) -> bytes:
        """Fail with EFAULT."""
        raise KernelError(errno.EFAULT, f"process {self.pid} has ended: {length} bytes at {addr:#x}")

    def copy_to_user(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        """Fail with EFAULT."""
        raise KernelError(errno.EFAULT, f"process {self.pid} has ended: {len(data)} bytes at {addr:#x}")

    def copy_argument_to_user(self, argp: int, data: bytes | bytearray) -> None:
        """Fail with EFAULT."""
        self.copy_to_user(argp, data)

    def grab_mm(self) -> ClientMm:
        """Fail with ESRCH."""
        raise KernelError(errno.ESRCH, f"process {self.pid} has ended")

    def fget(self, fd: int) -> File | None:
        """Fail with EBADF."""
        raise KernelError(errno.EBADF, f"process {self.pid} has ended: descriptor {fd}")

    def foreign_fd(self, fd: int) -> int:
        """Fail with EBADF."""
        raise KernelError(errno.EBADF, f"process {self.pid} has ended: descriptor {fd}")

    def install_fd(self, file: File, cloexec: bool) -> Blocking[int]:  # noqa: ARG002
        """Fail with ESRCH."""
        raise KernelError(errno.ESRCH, f"process {self.pid} has ended: no descriptor for {file.name}")


def check_memory_access() -> str | None:
    """Say in one sentence why the memory and descriptors of clients cannot be reached here, None when they can."""
    read_end, write_end = os.pipe()
    secret = ffi.new("char[]", b"mock")
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    try:
        return _memory_access_failure(child, secret)
    finally:
        os.close(write_end)
        os.close(read_end)
        os.waitpid(child, 0)


def _memory_access_failure(child: int, secret: Any) -> str | None:
    found = ffi.new("char[4]")
    error = lib.transport_copy_from(child, found, int(ffi.cast("uintptr_t", secret)), 4)
    if error:
        return f"this system does not let the mock kernel read its clients' memory (process_vm_readv: {_why(error)})"
    pidfd = os.pidfd_open(child)
    own = lib.transport_steal_fd(pidfd, 0)
    os.close(pidfd)
    if own >= 0:
        os.close(own)
    elif own != -errno.EBADF:
        return f"this system does not let the mock kernel see its clients' descriptors (pidfd_getfd: {_why(own)})"
    return None


def _why(error: int) -> str:
    return f"{os.strerror(-error)}; a container may need CAP_SYS_PTRACE or another seccomp profile"


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").rstrip("\n")
    except OSError:
        return ""


def _nothing() -> None:
    """Hold nothing."""
