# SPDX-License-Identifier: MIT
"""A mock machine that must be empty again when its hostile clients have gone."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from amdgpu_hw.mock.console.client import Console
from amdgpu_hw.mock.machine import Machine
from amdgpu_hw.uapi import amdgpu_drm as drm

from .gpu_client import RENDER
from .wire_client import PATIENCE_S, WireClient, closing_fds

LOCKUP_MS = 300
"""A job that hangs is ended after this, so that tests need not wait for the seconds of a real kernel."""

TOP = Path(__file__).parents[3]
PRELUDE = f"""
import sys
sys.path.insert(0, {str(TOP)!r})
from tests.mock.hostile.preloaded import *
"""


class AuditedMachine:
    """A running machine, its console, and what it held before the first client came."""

    def __init__(self, machine: Machine, console: Console) -> None:
        self.machine = machine
        self.console = console
        self.directory = Path(machine.environ()["AMDGPU_HW_MOCK"])
        console.parameter("lockup_timeout", LOCKUP_MS)
        self._become_client()
        self.at_rest = console.audit()
        self.descriptors_at_rest = self.descriptors()

    def _become_client(self) -> None:
        """Let the kernel know the test's own process, and open its memory: it keeps both for as long as that lives."""
        page = mmap.mmap(-1, mmap.PAGESIZE)
        with self.client() as client, closing_fds(client.open(RENDER)) as (fd,):
            address = ctypes.addressof(ctypes.c_char.from_buffer(page))
            flags = drm.AMDGPU_GEM_USERPTR_ANONONLY | drm.AMDGPU_GEM_USERPTR_REGISTER
            client.ioctl(fd, drm.IOCTL_AMDGPU_GEM_USERPTR, addr=address, size=mmap.PAGESIZE, flags=flags)
        deadline = time.monotonic() + PATIENCE_S
        while any(left := {name: self.console.audit()[name] for name in ("threads", "open files")}.values()):
            assert time.monotonic() < deadline, f"the test's own client has ended, and there still are {left}"
            time.sleep(0.001)

    def descriptors(self) -> int:
        """How many descriptors the mock kernel's process has, apart from those that watch /sys for core dumps."""
        directory, count = Path(f"/proc/{self.machine.pid}/fd"), 0
        for entry in directory.iterdir():
            with contextlib.suppress(FileNotFoundError):
                count += os.readlink(entry) != "anon_inode:inotify"
        return count

    def limit_descriptors(self, most: int) -> None:
        """Let the process have only so many."""
        _, hard = resource.prlimit(self.machine.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.machine.pid, resource.RLIMIT_NOFILE, (most, hard))

    def memory_kib(self, field: str = "RssAnon") -> int:
        """Memory of the process, by a field of /proc/PID/status."""
        text = Path(f"/proc/{self.machine.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{field}:"))

    def expect_sound(self) -> None:
        """The kernel serves, and no code of it has failed."""
        self.machine.check()
        oopses = self.console.status().oopses
        assert not oopses, f"the mock kernel has failed:\n{self.machine.log()[-6000:]}"

    def expect_rest(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until nothing is left of any client, and fail when that does not come."""
        deadline = time.monotonic() + patience_s
        while True:
            audit, descriptors = self.console.audit(), self.descriptors()
            left = {name: count for name, count in audit.items() if count != self.at_rest[name]}
            if not left and descriptors == self.descriptors_at_rest:
                break
            if time.monotonic() > deadline:
                more = descriptors - self.descriptors_at_rest
                raise AssertionError(
                    f"left behind: {left}, and {more} descriptors; the log:\n{self.machine.log()[-4000:]}"
                )
            time.sleep(0.02)
        self.expect_sound()

    # -- clients ------------------------------------------------------------------------------------------------------

    def client(self) -> WireClient:
        """A client that speaks the protocol itself."""
        return WireClient(self.directory)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start Python on the machine, with these arguments."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=TOP,
            env=self.machine.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, client: subprocess.Popen[str]) -> list[str]:
        """Wait for its end and return what it printed; nothing of its session is left then."""
        try:
            output, _ = client.communicate(timeout=3 * PATIENCE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(client.pid, signal.SIGKILL)
        assert client.returncode == 0, f"the client ended with {client.returncode}: {output}"
        return output.splitlines()

    def run_module(self, name: str, *arguments: str) -> list[str]:
        """Run a module of this package to its end and return what it printed."""
        return self.finish(self.start("-m", f"{__package__}.{name}", *arguments))

    def run(self, script: str, *arguments: str) -> list[str]:
        """Run a Python script; `preloaded` says what it finds."""
        return self.finish(self.start("-c", PRELUDE + script, *arguments))


@contextlib.contextmanager
def audited_machine(gpus: Sequence[str] = ("navi31",), kernel: str = "series-fixed") -> Iterator[AuditedMachine]:
    """A machine that is sound, and empty, at the end; its driver offers what it can."""
    with Machine(gpus, kernel, parameters={"user_queue": 1}, gpu_time=0) as machine, machine.console() as console:
        audited = AuditedMachine(machine, console)
        yield audited
        audited.expect_rest()
