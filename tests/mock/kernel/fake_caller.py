# SPDX-License-Identifier: MIT
"""A client process without a process: unit tests call the mock kernel through it, with no transport in between."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import Any

from amdgpu_hw.mock.kernel.errno_ import KernelError, errno_name
from amdgpu_hw.mock.kernel.file import File, Vma
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.kernel.wait import Blocking, Task
from amdgpu_hw.mock.variants import VARIANTS
from amdgpu_hw.uapi.layout import Ioctl

MEMORY_BASE = 0x7000_0000_0000
MEMORY_SIZE = 1 << 20
PATIENCE_S = 30.0
"""Longer than anything takes that has an end, however busy the host is."""


def boot(variant: str = "base") -> Kernel:
    """A kernel of the named variant, without any driver."""
    return Kernel(VARIANTS[variant])


def settle(kernel: Kernel) -> None:
    """Run a kernel's timers that are due and all queued work."""
    give_up = time.monotonic() + PATIENCE_S
    while kernel.run_pending() == 0:
        assert time.monotonic() < give_up, f"the kernel has not come to rest in {PATIENCE_S:g} s"


class IoctlError(OSError):
    """An ioctl failed; ``argument`` is what the kernel left in the struct."""

    def __init__(self, number: int, what: str, argument: dict[str, Any]) -> None:
        super().__init__(number, f"{what}: {errno_name(number)}")
        self.argument = argument


class Call:
    """A system call that may be asleep."""

    def __init__(self, caller: FakeCaller, start: Callable[[], Any]) -> None:
        self.caller = caller
        self.done = False
        self.value: Any = None
        self.error: int = 0
        self._task: Task[Any] | None = None
        kernel = caller.kernel
        try:
            value = start()
        except Exception as error:
            self._finish(None, error)
            return
        if hasattr(value, "send"):
            self._task = Task(value, kernel.timers, kernel.work, self._finish)
            self._task.start()
        else:
            self._finish(value, None)

    def _finish(self, value: Any, error: BaseException | None) -> None:
        self.done = True
        self.value = value
        if error is not None:
            self.error = self.caller.kernel.errno_of(error)

    def settle(self) -> Call:
        """Run the kernel until nothing is left to do now, and return."""
        self.caller.settle()
        return self

    def wait(self, limit_s: float = PATIENCE_S) -> Call:
        """Run the kernel, and let real time pass, until the call has ended."""
        give_up = time.monotonic() + limit_s
        while not self.done:
            deadline = self.caller.kernel.run_pending()
            if self.done:
                break
            assert deadline is not None, "the call sleeps and nothing will ever wake it"
            assert time.monotonic() < give_up, f"the call still sleeps after {limit_s} s"
            time.sleep(max(0.0, (deadline - time.monotonic_ns()) / 1e9))
        return self

    def interrupt(self) -> Call:
        """Send the thread a signal."""
        assert self._task is not None, "the call did not sleep"
        self._task.interrupt()
        return self.settle()

    def kill(self) -> bool:
        """Send SIGKILL; False when the thread sleeps uninterruptibly."""
        assert self._task is not None, "the call did not sleep"
        return self._task.kill()


class FakeCaller:
    """One client thread with its memory and descriptors; implements `Caller`.

    `ioctl` takes and gives fields by name. Files are shared with other callers through `share`.
    """

    def __init__(self, kernel: Kernel, pid: int | None = None, comm: str = "client") -> None:
        self.kernel = kernel
        self.pid = os.getpid() if pid is None else pid
        self.tid = self.pid
        self.comm = comm
        self.exiting = False
        self.memory = bytearray(MEMORY_SIZE)
        self.files: dict[int, File | int] = {}
        """Descriptor -> mock file, or a descriptor of this process for a foreign one."""
        self.max_files = 1024
        self._next_address = MEMORY_BASE

    # -- Caller ---------------------------------------------------------------------------------------------------

    def copy_from_user(self, addr: int, length: int) -> bytes:
        offset = self._check(addr, length)
        return bytes(self.memory[offset : offset + length])

    def copy_to_user(self, addr: int, data: bytes | bytearray | memoryview) -> None:
        offset = self._check(addr, len(data))
        self.memory[offset : offset + len(data)] = data

    def copy_argument_to_user(self, argp: int, data: bytes | bytearray) -> None:
        self.copy_to_user(argp, data)

    def grab_mm(self) -> FakeCaller:
        return self

    def put(self) -> None:
        """Drop the reference that `grab_mm` gave."""

    def find_vmas(self, addr: int, length: int) -> list[Vma]:
        area = Vma(MEMORY_BASE, MEMORY_BASE + MEMORY_SIZE, readable=True, writable=True, has_file=False)
        return [area] if area.start < addr + length and addr < area.end else []

    def fget(self, fd: int) -> File | None:
        file = self.files.get(fd)
        if file is None:
            raise KernelError(errno.EBADF)
        return file if isinstance(file, File) else None

    def foreign_fd(self, fd: int) -> int:
        file = self.files.get(fd)
        if file is None:
            raise KernelError(errno.EBADF)
        assert isinstance(file, int)
        return os.dup(file)

    def install_fd(self, file: File, cloexec: bool) -> Blocking[int]:
        if len(self.files) >= self.max_files:
            if not _references(file):
                file.release()
            raise KernelError(errno.EMFILE)
        return self._install(file)
        yield  # A generator, as with a real transport, which asks the client and waits for its answer.

    # -- memory ---------------------------------------------------------------------------------------------------

    def alloc(self, content: bytes | int) -> int:
        """Put bytes (or that many zeros) into the client's memory; returns the address."""
        data = bytes(content)
        address = self._next_address
        self._next_address += -(-len(data) // 16) * 16 + 16
        self.copy_to_user(address, data)
        return address

    def u32s(self, *values: int) -> int:
        """Address of an array of u32."""
        return self.alloc(b"".join(value.to_bytes(4, "little") for value in values))

    def u64s(self, *values: int) -> int:
        """Address of an array of u64."""
        return self.alloc(b"".join(value.to_bytes(8, "little") for value in values))

    def read_u64(self, addr: int) -> int:
        """A u64 of the client's memory."""
        return int.from_bytes(self.copy_from_user(addr, 8), "little")

    def _check(self, addr: int, length: int) -> int:
        if not MEMORY_BASE <= addr <= MEMORY_BASE + MEMORY_SIZE - length:
            raise KernelError(errno.EFAULT)
        return addr - MEMORY_BASE

    # -- descriptors ----------------------------------------------------------------------------------------------

    def open(self, path: str, flags: int = os.O_RDWR) -> int:
        """Open a node; raises OSError."""
        try:
            return self._install(self.kernel.open(self, path, flags))
        except KernelError as error:
            raise OSError(error.errno, str(error)) from error

    def add_foreign(self, host_fd: int) -> int:
        """Give the client a descriptor of a file that is not the mock kernel's."""
        return self._install(host_fd)

    def share(self, fd: int, other: FakeCaller) -> int:
        """Pass a descriptor to another process; its number there."""
        return other._install(self.files[fd])

    def file(self, fd: int) -> Any:
        """The mock file behind a descriptor."""
        return self.files[fd]

    def close(self, fd: int) -> Call:
        """Close a descriptor: flush, and release with the last one in any process; a call, as flush may sleep."""
        file = self.files.pop(fd)
        if not isinstance(file, File):
            return Call(self, lambda: 0)
        call = Call(self, lambda: file.flush(self))
        references = _references(file) - 1
        file._test_references = references  # type: ignore[attr-defined]
        if not references:
            file.release()
        return call

    def _install(self, file: File | int) -> int:
        fd = next(number for number in range(3, 1 << 20) if number not in self.files)
        self.files[fd] = file
        if isinstance(file, File):
            file._test_references = _references(file) + 1  # type: ignore[attr-defined]
        return fd

    # -- ioctls ---------------------------------------------------------------------------------------------------

    def ioctl(self, fd: int, ioctl: Ioctl, /, **fields: Any) -> dict[str, Any]:
        """An ioctl that ends soon: the struct afterwards; raises `IoctlError`. Work it queued has run."""
        call, read = self.start_ioctl(fd, ioctl, **fields)
        call.wait()
        self.settle()
        if call.error:
            raise IoctlError(call.error, ioctl.name, read())
        return read()

    def fails(self, fd: int, ioctl: Ioctl, /, **fields: Any) -> int:
        """The errno an ioctl ends with, 0 if it succeeds."""
        call, _ = self.start_ioctl(fd, ioctl, **fields)
        call.wait()
        self.settle()
        return call.error

    def start_ioctl(self, fd: int, ioctl: Ioctl, /, **fields: Any) -> tuple[Call, Callable[[], dict[str, Any]]]:
        """An ioctl that may sleep: the call, and a function that reads the struct."""
        layout = ioctl.struct
        argument = self.alloc(layout.pack(**fields)) if layout is not None else 0
        call = self.start_raw(fd, ioctl.request, argument)
        return call, lambda: layout.as_dict(self.copy_from_user(argument, layout.size)) if layout is not None else {}

    def start_raw(self, fd: int, request: int, argument: int) -> Call:
        """An ioctl by number, with the address of its argument."""

        def start() -> int | Blocking[int]:
            file = self.fget(fd)
            if file is None:
                raise KernelError(errno.ENOTTY)
            return file.ioctl(self, request, argument)

        return Call(self, start)

    def raw(self, fd: int, request: int, argument: bytes = b"") -> tuple[int, bytes]:
        """An ioctl by number and bytes: errno (0 for success) and the bytes afterwards."""
        address = self.alloc(argument)
        call = self.start_raw(fd, request, address).wait()
        self.settle()
        return call.error, self.copy_from_user(address, len(argument))

    def settle(self) -> None:
        """Run the kernel's timers that are due and all queued work."""
        settle(self.kernel)


def _references(file: File) -> int:
    return getattr(file, "_test_references", 0)
