# SPDX-License-Identifier: MIT
"""The kernel's frame: nodes, log, deferred work, and surviving its own bugs."""

from __future__ import annotations

import errno
import time

import pytest

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Caller, File
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, WaitQueue
from tests.mock.kernel.fake_caller import FakeCaller, boot


def test_nodes() -> None:
    """What a driver registered can be opened, with the flags it was opened with; anything else is ENOENT."""
    kernel = boot()
    seen: list[int] = []

    def open_node(caller: Caller, flags: int) -> File:
        seen.append(flags)
        return File()

    kernel.register_node("/dev/thing", 240, 1, open_node)
    client = FakeCaller(kernel)
    client.open("/dev/thing", 2)
    assert seen == [2]
    kernel.unregister_node("/dev/thing")
    with pytest.raises(OSError, match="ENOENT"):
        client.open("/dev/thing")


def test_run_pending_says_when_to_come_back() -> None:
    """0 while work is left, the next timer's deadline, or None."""
    kernel = boot()
    assert kernel.run_pending() is None
    deadline = kernel.now() + 60_000_000_000
    kernel.timers.call_at(deadline, lambda: None)
    for _ in range(3):
        kernel.work.queue(lambda: None)
    assert kernel.run_pending(limit=2) == 0
    assert kernel.run_pending(limit=2) == deadline


def test_a_bug_in_deferred_work_is_an_oops() -> None:
    """It is logged with its trace; the work behind it still runs."""
    kernel = boot()
    done: list[int] = []

    def fail() -> None:
        print(1 // 0)

    kernel.work.queue(fail)
    kernel.work.queue(lambda: done.append(1))
    assert kernel.run_pending() is None
    assert done == [1]
    assert kernel.oopses == 1
    assert "ZeroDivisionError" in kernel.log.text()


def test_kernel_thread_sleeps_and_fails_on_its_own() -> None:
    """spawn(): nobody waits for the thread, so its failure goes to the log."""
    kernel, queue = boot(), WaitQueue()

    def thread() -> Blocking[None]:
        yield Sleep((queue,))
        raise ZeroDivisionError("in a thread")

    kernel.spawn("worker", thread())
    assert kernel.oopses == 0
    queue.wake_all()
    kernel.run_pending()
    assert kernel.oopses == 1
    assert "worker" in kernel.log.text()


def test_errno_of_an_error() -> None:
    """A KernelError is its errno; anything else EIO and an oops."""
    kernel = boot()
    assert kernel.errno_of(KernelError(errno.EBUSY)) == errno.EBUSY
    assert kernel.oopses == 0
    assert kernel.errno_of(RuntimeError("boom")) == errno.EIO
    assert kernel.oopses == 1


def test_log_lines_carry_the_monotonic_time() -> None:
    """As dmesg prints them; listeners see each line, of several at once too."""
    kernel = boot()
    seen: list[str] = []
    kernel.log.listeners.append(lambda line: seen.append(f"{line.level}: {line.text}"))
    kernel.log.info("one\ntwo")
    kernel.log.err("three")
    assert seen == ["info: one", "info: two", "err: three"]
    assert abs(kernel.log.lines[-1].time_ns - time.monotonic_ns()) < 1_000_000_000
    first = kernel.log.text().splitlines()[0]
    assert first.startswith("[")
    assert first.endswith("] one")
