# SPDX-License-Identifier: MIT
"""The guest's first process: loads the driver, runs commands, and says that the kernel is alive.

It runs in the guest, started by the script of `amdgpu_hw.guest.initramfs`, and talks with `amdgpu_hw.guest.session`
over a virtio-serial port. Only the standard library is used: each import costs emulated time.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amdgpu_hw.guest.channel import PORT, Frame, FrameReader, pack, ready
from amdgpu_hw.guest.command import Command

__all__ = ("main",)

_PANIC_ON_OOPS = Path("/proc/sys/kernel/panic_on_oops")

_ALIVE_S = 1.0
_CHUNK = 65536
_POWER_OFF = 0x4321FEDC  # LINUX_REBOOT_CMD_POWER_OFF
_FINIT_MODULE = 313  # on x86-64; the C library has no name for it
_FOR_EVERYBODY = 0o666
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


class Agent:
    """Serves one host over one port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader = FrameReader()
        self._command: Command | None = None
        self._wake, self._wake_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._loaded: dict[str, Any] | None = None

    def serve(self) -> None:
        """Until the host says to end, or is gone."""
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        os.set_blocking(self._port, False)
        alive = 0.0
        while True:
            if time.monotonic() - alive >= _ALIVE_S:
                self._send(Frame.ALIVE)
                alive = time.monotonic()
            if not self._turn():
                return
            self._reap()
            if self._loaded is not None:
                self._send_json(Frame.READY, self._loaded)
                self._loaded = None

    def _turn(self) -> bool:
        """Wait for something and pass it on; False if the host says to end."""
        command = self._command
        outputs = command.outputs if command else ()
        wanting = command.wants_input if command else None
        writing = [] if wanting is None else [wanting]
        readable, writable = ready([self._port, self._wake, *outputs], writing, _ALIVE_S)
        if self._wake in readable:
            os.read(self._wake, _CHUNK)
        if command:
            if writable:
                command.feed()
            for fd in readable.intersection(outputs):
                frame = command.output(fd)
                if frame:
                    self._send(*frame)
        return self._port not in readable or self._receive()

    # ---- the host ----

    def _send(self, frame: Frame, content: bytes = b"") -> None:
        """Write a frame, however long that takes: nothing else can go on before the host has taken it."""
        data = memoryview(pack(frame, content))
        while data:
            try:
                data = data[os.write(self._port, data) :]
            except BlockingIOError:
                ready([], [self._port])

    def _send_json(self, frame: Frame, content: dict[str, Any]) -> None:
        self._send(frame, json.dumps(content).encode())

    def _receive(self) -> bool:
        try:
            data = os.read(self._port, _CHUNK)
        except BlockingIOError:
            return True
        return bool(data) and all(self._take(frame, content) for frame, content in self._reader.take(data))

    def _take(self, frame: Frame, content: bytes) -> bool:
        """Do what a frame says; False if it says to end."""
        if frame is Frame.RUN:
            self._start(json.loads(content))
        elif frame is Frame.LOAD:
            threading.Thread(target=self._load, args=(json.loads(content),), daemon=True).start()
        elif self._command is not None:
            if frame is Frame.IN:
                self._command.input(content)
            elif frame is Frame.SIGNAL:
                self._command.signal(int(content))
            elif frame is Frame.SIZE:
                self._command.resize(json.loads(content))
        return frame is not Frame.OFF

    # ---- the driver ----

    def _load(self, modules: list[dict[str, str]]) -> None:
        """In a thread of its own: a driver that takes minutes to load is no kernel that hangs."""
        self._loaded = load(modules)
        os.write(self._wake_end, b"!")

    # ---- the command ----

    def _start(self, request: dict[str, Any]) -> None:
        """Start a command; what stops that is its exit status, as a shell gives it."""
        try:
            self._command = Command(request)
        except FileNotFoundError as error:
            self._refuse(_NOT_FOUND, f"{error.filename}: {error.strerror}")
        except OSError as error:
            self._refuse(_NOT_EXECUTABLE, str(error.strerror))
        except LookupError as error:
            self._refuse(_NOT_EXECUTABLE, str(error.args[0]))

    def _refuse(self, status: int, why: str) -> None:
        self._send_json(Frame.EXIT, {"status": status, "why": why})

    def _reap(self) -> None:
        """The first process of a machine inherits every orphan."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._command is not None and pid == self._command.pid:
                self._end(self._command, os.waitstatus_to_exitcode(status))

    def _end(self, command: Command, status: int) -> None:
        for frame in command.rest():
            self._send(*frame)
        command.close(status)
        self._command = None
        self._send_json(Frame.EXIT, {"status": status})


def load(modules: list[dict[str, str]]) -> dict[str, Any]:
    """Load modules in order: how long each took, and what was refused, which ends it.

    A driver that oopses while it is loaded holds locks for ever, and nothing would say so: that is a panic here.
    """
    with _oopses_are_panics():
        return _insert_all(modules)


@contextlib.contextmanager
def _oopses_are_panics() -> Iterator[None]:
    before = _PANIC_ON_OOPS.read_text()
    _PANIC_ON_OOPS.write_text("1\n")
    try:
        yield
    finally:
        _PANIC_ON_OOPS.write_text(before)


def _insert_all(modules: list[dict[str, str]]) -> dict[str, Any]:
    took = {}
    for module in modules:
        before = time.monotonic()
        refused = _insert(module["path"], module["parameters"])
        took[module["name"]] = time.monotonic() - before
        if refused:
            return {"took": took, "refused": module["name"], "why": refused}
    # There is no udev here that would let everybody use them.
    for node in ("/dev/kfd", *glob.glob("/dev/dri/*")):
        with contextlib.suppress(FileNotFoundError):
            os.chmod(node, _FOR_EVERYBODY)
    return {"took": took, "bound": len(glob.glob("/sys/bus/pci/drivers/amdgpu/[0-9]*"))}


def _insert(path: str, parameters: str) -> str:
    """Load a module; what the kernel says against it, if anything."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return str(error.strerror)
    try:
        if libc.syscall(_FINIT_MODULE, fd, ctypes.c_char_p(parameters.encode()), 0) == 0:
            return ""
        number = ctypes.get_errno()
        return "" if number == errno.EEXIST else os.strerror(number)
    finally:
        os.close(fd)


def _open_port() -> int:
    for entry in Path("/sys/class/virtio-ports").glob("*"):
        if (entry / "name").read_text().strip() == PORT:
            return os.open(f"/dev/{entry.name}", os.O_RDWR | os.O_CLOEXEC)
    raise SystemExit(f"amdgpu-hw: this machine has no virtio-serial port '{PORT}'")


def main() -> None:
    """Serve the host, then switch the machine off."""
    Agent(_open_port()).serve()
    os.sync()
    ctypes.CDLL(None).reboot(_POWER_OFF)
