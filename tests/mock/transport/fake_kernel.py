# SPDX-License-Identifier: MIT
"""A kernel with one node that knows no DRM: what the transport carries, seen from its kernel's side.

Run as a program it serves that node from the directory given, until its standard input ends, and writes a line
to its standard output for everything that happens to a file.
"""

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Any

from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from amdgpu_hw.mock.kernel.file import Caller, File, FileStat
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, WaitQueue, Wake
from amdgpu_hw.mock.transport.transport import Transport

NODE = "/dev/fake/node0"

(
    NOTHING,
    ECHO,
    BLOCK,
    BLOCK_UNINTERRUPTIBLE,
    WAKE,
    INSTALL,
    IDENTIFY,
    SIGNAL,
    STEAL,
    OOPS,
    CALLER,
    SLOW_FLUSH,
    REREAD,
) = range(13)
"""Requests: what each does is said in `FakeFile.ioctl`."""


def reverse(size: int) -> int:
    """Number a request as drivers do (_IOWR): it reads so many bytes and writes them back reversed."""
    return 3 << 30 | size << 16 | ord("F") << 8


class FakeFile(File):
    name = NODE

    def __init__(self, machine: "FakeMachine", serial: int) -> None:
        super().__init__()
        self.machine = machine
        self.serial = serial
        self.slow_flush = False
        self.unread = b"answer"
        self.memory = os.memfd_create("fake-memory")
        os.ftruncate(self.memory, 8192)

    def read(self, size: int) -> Blocking[bytes]:
        yield Sleep((WaitQueue(),), self.machine.kernel.now() + 1_000_000)
        part, self.unread = self.unread[:size], self.unread[size:]
        return part

    def ioctl(self, caller: Caller, request: int, argp: int) -> int | Blocking[int]:
        size = request >> 16 & 0x3FFF
        if request == reverse(size):
            caller.copy_argument_to_user(argp, caller.copy_from_user(argp, size)[::-1])
            return size
        match request:
            case 0:  # NOTHING: the serial number of the file
                return self.serial
            case 1:  # ECHO: reads 8 bytes and writes them back reversed
                caller.copy_to_user(argp, caller.copy_from_user(argp, 8)[::-1])
                return 0
            case 2 | 3:  # BLOCK: sleeps until WAKE
                return self._block(interruptible=request == BLOCK)
            case 4:  # WAKE
                self.machine.queue.wake_all()
                return 0
            case 5:  # INSTALL: a new file in the client, whose number is the result; argp = cloexec
                return caller.install_fd(FakeFile(self.machine, self.machine.next_serial()), bool(argp))
            case 6:  # IDENTIFY: the serial number of the file at descriptor argp, 999 for another kind of file
                file = caller.fget(argp)
                return file.serial if isinstance(file, FakeFile) else 999
            case 7:  # SIGNAL: makes the file readable
                self.set_readable()
                return 0
            case 8:  # STEAL: writes a word to the client's own descriptor argp
                own = caller.foreign_fd(argp)
                os.write(own, b"from the kernel")
                os.close(own)
                return 0
            case 9:  # OOPS: a bug of the kernel
                raise RuntimeError("a bug of the mock kernel")
            case 10:  # CALLER: the caller's process id; writes its thread id
                caller.copy_to_user(argp, caller.tid.to_bytes(8, "little"))
                return caller.pid
            case 11:  # SLOW_FLUSH: from now on flush sleeps until WAKE
                self.slow_flush = True
                return 0
            case 12:  # REREAD: see `_reread`
                return self._reread(caller, argp)
        raise KernelError(errno.ENOTTY)

    def _reread(self, caller: Caller, argp: int) -> Blocking[int]:
        """Read the 8 bytes behind argp, change them, sleep until WAKE: tells what it read after each in the log."""
        found = [caller.copy_from_user(argp, 8), caller.copy_from_user(argp + 8, 8)]
        caller.copy_to_user(argp + 8, b"kernel's")
        found.append(caller.copy_from_user(argp + 8, 8))
        yield from self._block(interruptible=True)
        found.append(caller.copy_from_user(argp + 8, 8))
        self.machine.note(b" ".join(found).decode())
        return 0

    def _block(self, *, interruptible: bool) -> Blocking[int]:
        self.machine.note(f"sleeps {self.serial}")
        try:
            wake = yield Sleep([self.machine.queue], interruptible=interruptible)
            if wake is Wake.INTERRUPTED:
                raise KernelError(ERESTARTSYS)
        finally:
            self.machine.note(f"slept {self.serial}")
        return 7

    def mmap(self, caller: Caller, offset: int, length: int, prot: int, flags: int) -> tuple[int, int]:
        if offset != 4096:
            raise KernelError(errno.EACCES)
        return self.memory, offset

    def flush(self, caller: Caller) -> Blocking[None] | None:
        self.machine.note(f"flush {self.serial}{' exiting' if caller.exiting else ''}")
        return self._flush() if self.slow_flush else None

    def _flush(self) -> Blocking[None]:
        yield Sleep([self.machine.queue])

    def release(self) -> None:
        os.close(self.memory)
        self.machine.note(f"release {self.serial}")

    def seek_end(self) -> int:
        return 8192

    def stat(self) -> FileStat:
        return FileStat(mode=stat.S_IFCHR | 0o660, rdev_major=226, rdev_minor=128, path=NODE)


class FakeMachine:
    """One fake kernel and what its files have in common."""

    def __init__(self) -> None:
        self.kernel = Kernel(None)  # type: ignore[arg-type]
        self.queue = WaitQueue()
        self.opened = 0
        self.kernel.register_node(NODE, 226, 128, self._open)

    def _open(self, caller: Caller, flags: int) -> File:
        if flags & os.O_TRUNC:
            raise KernelError(errno.EPERM)
        return FakeFile(self, self.next_serial())

    def next_serial(self) -> int:
        self.opened += 1
        return self.opened

    @staticmethod
    def note(text: str) -> None:
        print(text, flush=True)


def main() -> None:
    """Serve the node."""
    directory = Path(sys.argv[1])
    machine = FakeMachine()
    machine.kernel.log.listeners.append(lambda line: print(f"log {line.text}", flush=True))
    transport: Any = Transport(machine.kernel, directory, directory / "root")
    transport.watch(0, transport.stop)
    machine.note("ready")
    transport.run()
    transport.close()
    machine.note(f"end {machine.kernel.oopses}")


if __name__ == "__main__":
    main()
