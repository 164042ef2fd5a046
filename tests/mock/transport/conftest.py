# SPDX-License-Identifier: MIT
"""A fake kernel in a process of its own, and clients of it."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.mock.preload import preload_library

HERE = Path(__file__).parent
PATIENCE_S = 20.0
"""For things that happen at once on a sound machine, however busy it is."""

PRELUDE = """
import ctypes, errno, fcntl, mmap, os, select, signal, socket, stat, subprocess, sys, threading, time
from tests.mock.transport.fake_kernel import *
libc = ctypes.CDLL(None, use_errno=True)
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
def ioctl(fd, request, arg=0):
    result = libc.ioctl(fd, request, arg)
    return -ctypes.get_errno() if result < 0 else result
def say(*words):
    print(*words, flush=True)
"""


class Rig:
    """The fake kernel's process: what it says, and clients that run on its machine."""

    def __init__(self, directory: Path) -> None:
        node = directory / "root/dev/fake/node0"
        node.parent.mkdir(parents=True)
        node.touch(0o640)
        self.directory = directory
        library = preload_library(directory)
        assert library is not None, "the preload library is not built"
        self.library = library
        self.clients: list[subprocess.Popen[str]] = []
        self.server = subprocess.Popen(
            [sys.executable, str(HERE / "fake_kernel.py"), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.expect("ready")

    def _read(self) -> None:
        assert self.server.stdout is not None
        for line in self.server.stdout:
            self._lines.put(line.rstrip("\n"))

    def next_line(self) -> str:
        """The next line of the kernel."""
        try:
            return self._lines.get(timeout=PATIENCE_S)
        except queue.Empty:
            return "nothing"

    def expect(self, *lines: str) -> None:
        """Wait for these lines of the kernel, in this order and with no other between them."""
        for line in lines:
            got = self.next_line()
            assert got == line, f"the kernel said '{got}' where '{line}' was due"

    def expect_silence(self, seconds: float = 0.2) -> None:
        """Nothing happens in the kernel for a while."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return
        pytest.fail(f"the kernel said '{line}' where nothing was due")

    def start(self, script: str) -> subprocess.Popen[str]:
        """Start a Python script on the machine; `PRELUDE` says what it finds."""
        environment = os.environ | {
            "LD_PRELOAD": self.library,
            "AMDGPU_HW_MOCK": str(self.directory),
            "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}",
        }
        client = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.clients.append(client)
        return client

    def run(self, script: str) -> list[str]:
        """Run a Python script on the machine to its end and return what it printed."""
        client = self.start(script)
        output, _ = client.communicate(timeout=PATIENCE_S)
        assert client.returncode == 0, f"the client ended with {client.returncode}: {output}"
        return output.splitlines()

    def end(self) -> None:
        """Stop the kernel; it must not have had a bug that a test did not ask for."""
        for client in self.clients:
            if client.poll() is None:
                client.kill()
            client.communicate()
        if self.server.poll() is None:
            assert self.server.stdin is not None
            self.server.stdin.close()
            try:
                self.server.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.server.send_signal(signal.SIGKILL)
                self.server.wait()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A running fake kernel."""
    rig = Rig(tmp_path)
    yield rig
    rig.end()
    assert rig.server.returncode == 0, f"the fake kernel ended with {rig.server.returncode}"
