# SPDX-License-Identifier: MIT
"""ClientMm: the memory of a process, and nothing else that comes after it."""

import ctypes
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.transport.mm import ClientMm, read_vmas

from .conftest import PATIENCE_S

PAGE = 4096
SCRIPT = """
import ctypes, mmap, os, sys
area = mmap.mmap(-1, 3 * 4096)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
area[:5] = b"hello"
libc = ctypes.CDLL(None)
libc.mprotect(ctypes.c_void_p(address + 4096), ctypes.c_size_t(4096), mmap.PROT_READ)
libc.munmap(ctypes.c_void_p(address + 8192), ctypes.c_size_t(4096))
print(address, flush=True)
sys.stdin.readline()
os.execvp("sleep", ["sleep", "60"])
"""


class Process:
    """A process with a page, a read-only page and a hole; runs another program when told."""

    def __init__(self) -> None:
        self.popen = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=-1, stdout=-1, text=True)
        assert self.popen.stdout is not None
        self.address = int(self.popen.stdout.readline())

    def exec(self) -> None:
        """Run another program."""
        assert self.popen.stdin is not None
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()
        deadline = time.monotonic() + PATIENCE_S
        while "sleep" not in Path(f"/proc/{self.popen.pid}/comm").read_text(encoding="utf-8"):
            assert time.monotonic() < deadline, "the process does not run another program"
            time.sleep(0.01)


@pytest.fixture
def process() -> Iterator[Process]:
    """A process that is ended afterwards."""
    process = Process()
    yield process
    process.popen.kill()
    process.popen.communicate()


def error_of(mm: ClientMm, addr: int, length: int) -> int:
    """The errno of a read."""
    with pytest.raises(KernelError) as caught:
        mm.copy_from_user(addr, length)
    return caught.value.errno


def test_it_is_read_and_written_and_has_ends(process: Process) -> None:
    """EFAULT where nothing is mapped, also when the access begins where something is."""
    mm = ClientMm(process.popen.pid)
    assert mm.copy_from_user(process.address, 5) == b"hello"
    mm.copy_to_user(process.address + PAGE - 2, b"xy")
    assert mm.copy_from_user(process.address + PAGE - 2, 2) == b"xy"
    for addr in (0, process.address + 2 * PAGE, process.address + 2 * PAGE - 4, 1 << 63, (1 << 64) - PAGE):
        assert error_of(mm, addr, 8) == errno.EFAULT
        with pytest.raises(KernelError):
            mm.copy_to_user(addr, b"12345678")
    mm.put()


def test_areas_are_found(process: Process) -> None:
    """With their rights; a hole is between none."""
    mm = ClientMm(process.popen.pid)
    first, second = mm.find_vmas(process.address, 3 * PAGE)
    assert (first.start <= process.address, first.end) == (True, process.address + PAGE)
    assert (second.start, second.end) == (process.address + PAGE, process.address + 2 * PAGE)
    assert [(vma.readable, vma.writable) for vma in (first, second)] == [(True, True), (True, False)]
    assert mm.find_vmas(process.address + 2 * PAGE, PAGE) == []
    mm.put()


def test_it_ends_with_exec(process: Process) -> None:
    """The new program's memory is another one, even at the same addresses."""
    mm = ClientMm(process.popen.pid)
    assert not mm.exiting
    process.exec()
    assert mm.exiting
    assert error_of(mm, process.address, 5) == errno.EFAULT
    with pytest.raises(KernelError) as caught:
        mm.find_vmas(process.address, PAGE)
    assert caught.value.errno == errno.ESRCH
    mm.put()


def test_it_ends_with_the_process(process: Process) -> None:
    """Killed: nothing is there, and nothing can be opened."""
    mm = ClientMm(process.popen.pid)
    process.popen.send_signal(signal.SIGKILL)
    process.popen.wait()
    assert mm.exiting
    assert error_of(mm, process.address, 5) == errno.EFAULT
    with pytest.raises(KernelError) as caught:
        ClientMm(process.popen.pid)
    assert caught.value.errno == errno.EPERM
    mm.put()


def test_it_is_closed_with_the_last_reference() -> None:
    """No descriptor is left behind."""
    before = set(os.listdir("/proc/self/fd"))
    mm = ClientMm(os.getpid())
    buffer = ctypes.create_string_buffer(b"mine", 8)
    mm.get().put()
    assert mm.copy_from_user(ctypes.addressof(buffer), 4) == b"mine"
    mm.put()
    assert set(os.listdir("/proc/self/fd")) == before


def test_lines_of_maps_are_read() -> None:
    """With and without a file, also one with spaces in its name."""
    maps = """\
1000-3000 rw-p 00000000 00:00 0
4000-5000 r--s 00001000 00:01 1234                       /tmp/a name (deleted)
7ffe000-7fff000 ---p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
"""
    first, second = read_vmas(maps, 0x2000, 0x3000)
    assert first == (0x1000, 0x3000, True, True, False)
    assert second == (0x4000, 0x5000, True, False, True)
    assert read_vmas(maps, 0x3000, 0x1000) == []
