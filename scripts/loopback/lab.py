# SPDX-License-Identifier: MIT
"""The boxes of a fleet on this machine, started and ended together."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from loopback import box
from loopback.keys import Keys, make_keys, trust

__all__ = ("Lab", "LoopbackBox", "free_port", "missing_programs")

_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {host_key}
PidFile none
AuthorizedKeysFile {authorized}
# The keys lie in a temporary directory, whose parents belong to others.
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers {user}
X11Forwarding no
AllowTcpForwarding no
# Nobody's own: what a shell runs when it starts may be killed in the middle, and leave its locks there.
SetEnv "HOME={home}"
Subsystem sftp internal-sftp
"""

_START_S = 30


@dataclass(frozen=True, slots=True)
class LoopbackBox:
    """A box, and how it is reached: ``home`` is where the fleet may leave its things."""

    name: str
    directory: Path
    port: int
    user: str
    process: subprocess.Popen[str]

    @property
    def home(self) -> Path:
        """The directory of the place."""
        return self.directory / "home"

    @property
    def ssh(self) -> str:
        """The host as a plan names it."""
        return f"{self.user}@127.0.0.1:{self.port}"

    def command(self, what: str) -> str:
        """The command that switches it ``on`` or ``off``."""
        return shlex.join([sys.executable, "-S", "-E", str(box.__file__), str(self.directory), what])

    def switch(self, what: str) -> None:
        """Switch it on or off."""
        if box.switch(self.directory, what):
            raise RuntimeError(f"{self.name} could not be switched {what}")


class Lab:
    """A directory with keys and boxes; a context manager. Needs what `missing_programs` does not name."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="amdgpu-hw-fleet-"))
        self.keys: Keys = make_keys(self.directory)
        self.boxes: list[LoopbackBox] = []

    def add_box(self, name: str) -> LoopbackBox:
        """Start a box."""
        directory = self.directory / name
        directory.mkdir()
        home = directory / "home"
        home.mkdir()
        port, user = free_port(), getpass.getuser()
        (directory / "sshd_config").write_text(
            _CONFIG.format(port=port, host_key=self.keys.host, authorized=self.keys.authorized, user=user, home=home)
        )
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", box.__file__, directory, str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        made = LoopbackBox(name, directory, port, user, process)
        self.boxes.append(made)
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the box {name} did not start: {(directory / 'sshd.log').read_text()[-500:]}")
        trust(self.keys, port)
        return made

    def ssh_options(self) -> tuple[str, ...]:
        """What ssh has to be told to reach these boxes and no others."""
        return (f"UserKnownHostsFile={self.keys.known_hosts}", "StrictHostKeyChecking=yes")

    def close(self) -> None:
        """End all boxes and remove the directory."""
        for each in self.boxes:
            each.process.terminate()
        for each in self.boxes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.process.wait(_START_S)
            each.process.kill()
            each.process.wait()
            if each.process.stdout is not None:
                each.process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        self.close()


def missing_programs() -> list[str]:
    """What is not installed and is needed."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
    return [name for name in ("ssh", "sshd", "ssh-keygen") if shutil.which(name, path=path) is None]


def free_port() -> int:
    """A port of the loopback interface that nobody listened on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
