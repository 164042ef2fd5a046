#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One box: an sshd and whatever runs below it, switched on and off through a socket like a power switch.

``box.py DIRECTORY PORT`` is the box; ``box.py DIRECTORY on|off`` is its switch. Off kills all that runs on the box, at
once; nothing is told. Processes that a session left behind become the box's own children, so that it finds them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ("SWITCH", "main", "switch")

SWITCH = "switch"

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_START_S = 20
_PRIVILEGE_SEPARATION = Path("/run/sshd")


def main(arguments: list[str]) -> int:
    """Be a box, or switch one."""
    directory, what = Path(arguments[0]), arguments[1]
    if what in ("on", "off"):
        return switch(directory, what)
    _Box(directory, int(what)).serve()
    return 0


def switch(directory: Path, what: str) -> int:
    """Switch a box on or off; 0 when that is done."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_START_S)
        connection.connect(str(directory / SWITCH))
        connection.sendall(what.encode())
        connection.shutdown(socket.SHUT_WR)
        return 0 if connection.recv(10) == b"done" else 1


class _Box:
    def __init__(self, directory: Path, port: int) -> None:
        self._directory, self._port = directory, port
        libc = ctypes.CDLL(None, use_errno=True)
        # What a session leaves behind is adopted by us, not by init (prctl(2)); and we go with whoever made the fleet.
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    def serve(self) -> None:
        """Switch as told, until SIGTERM."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(self._directory / SWITCH))
                listener.listen()
                self._on()
                print("ready", flush=True)
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        what = connection.recv(10)
                        self._off()
                        if what == b"on":
                            self._on()
                        connection.sendall(b"done")
        finally:
            self._off()

    def _on(self) -> None:
        sshd = shutil.which("sshd") or "/usr/sbin/sshd"
        if os.getuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        with (self._directory / "sshd.log").open("a") as log:
            # By its whole path: sshd starts itself anew for each connection.
            subprocess.Popen(
                [sshd, "-D", "-e", "-f", self._directory / "sshd_config"], stdin=subprocess.DEVNULL, stderr=log
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            time.sleep(0.02)
        raise SystemExit(f"sshd did not start: {(self._directory / 'sshd.log').read_text()[-500:]}")

    def _off(self) -> None:
        """Kill all that runs here, until nothing is left: what is killed may have started something just before."""
        while pids := list(_descendants(os.getpid())):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.01)


def _descendants(pid: int) -> Iterator[int]:
    """All processes below one, those that wait to be reaped excepted."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in map(int, (task / "children").read_text().split()):
                yield from _descendants(child)
                if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    yield child


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
