# SPDX-License-Identifier: MIT
"""A box by plain ssh: one master connection for all commands and copies, and commands that switch its power."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.box import BoxFailed, Unreachable
from amdgpu_hw.fleet.plan import PlannedPlace, TimeLimits

__all__ = ("SshBox",)

_LOST = 255
"""What ssh itself ends with when the connection fails."""

_POWER_S = 120


class SshBox:
    """One box. Raises `HarnessError` where there is no ssh on this machine."""

    def __init__(self, place: PlannedPlace, limits: TimeLimits) -> None:
        if shutil.which("ssh") is None:
            raise HarnessError("there is no ssh on this machine: install the package openssh-client")
        self._place = place
        self._limits = limits
        # The socket's path must be short (sun_path has 108 bytes), so it is not in the results.
        self._directory = tempfile.TemporaryDirectory(prefix="amdgpu-hw-ssh-")
        self._socket = Path(self._directory.name) / "master"
        self._master: subprocess.Popen[bytes] | None = None

    @property
    def has_power(self) -> bool:
        """Whether the plan says how to switch it off and on."""
        return self._place.has_power

    def run(self, command: str, timeout_s: float) -> tuple[int, str, str]:
        """Run a line of shell there: its exit status, what it printed, what it complained of."""
        done = self._ssh(command, timeout_s)
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def put(self, local: Path, remote: str, timeout_s: float) -> None:
        """Copy a file there: under another name, then renamed, so that half a file is never taken for one."""
        beside = shlex.quote(f"{remote}.new-{os.getpid()}")  # another place may be on the same box
        command = f"cat >{beside} && mv {beside} {shlex.quote(remote)} || {{ rm -f {beside}; exit 1; }}"
        with local.open("rb") as source:
            done = self._ssh(command, timeout_s, stdin=source)
        if done.returncode:
            raise BoxFailed(f"{local.name} could not be copied: {_last_line(done.stderr)}")

    def get(self, remote: str, local: Path, timeout_s: float) -> None:
        """Copy a file from there."""
        beside = local.with_name(f".{local.name}.new")
        try:
            with beside.open("wb") as target:
                done = self._ssh(f"cat {shlex.quote(remote)}", timeout_s, stdout=target)
            if done.returncode:
                raise BoxFailed(f"{remote} could not be fetched: {_last_line(done.stderr)}")
            beside.replace(local)
        finally:
            beside.unlink(missing_ok=True)

    def reconnect(self) -> None:
        """Forget the connection and make a new one."""
        self._drop()
        self._connect()

    def power_cycle(self) -> None:
        """Switch it off and on with the plan's commands, which run on this machine."""
        self._drop()
        for command in (self._place.power_off, self._place.power_on):
            try:
                done = subprocess.run(
                    command, shell=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=_POWER_S, check=False
                )
            except subprocess.TimeoutExpired:
                raise BoxFailed(f"'{command}' did not end within {_POWER_S} s") from None
            if done.returncode:
                raise BoxFailed(f"'{command}' ended with {done.returncode}: {_last_line(done.stderr)}")

    def close(self) -> None:
        """Let go of it."""
        self._drop()
        self._directory.cleanup()

    def _ssh(
        self, command: str, timeout_s: float, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        self._connect()
        try:
            done = subprocess.run(
                ["ssh", *self._how(), "-o", "ControlMaster=no", *self._where(), command],
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Unreachable(f"no answer within {timeout_s:g} s") from None
        if done.returncode == _LOST:
            raise Unreachable(f"the connection was lost: {_last_line(done.stderr)}")
        return done

    def _connect(self) -> None:
        """Have a master connection."""
        if self._master is not None and self._master.poll() is None and self._socket.exists():
            return
        self._drop()
        with tempfile.TemporaryFile() as complaints:
            self._master = subprocess.Popen(
                ["ssh", "-N", *self._how(), "-o", "ControlMaster=yes", *self._where()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                # Ctrl-C at the terminal is for us to handle: the run on the box is to be stopped over this connection.
                start_new_session=True,
            )
            deadline = time.monotonic() + self._limits.connect + 1
            while not self._socket.exists():
                if self._master.poll() is not None or time.monotonic() > deadline:
                    self._drop()
                    complaints.seek(0)
                    why = _last_line(complaints.read())
                    raise Unreachable(f"{self._place.ssh} cannot be reached by ssh: {why}")
                time.sleep(0.02)

    def _drop(self) -> None:
        if self._master is not None:
            self._master.terminate()
            try:
                self._master.wait(2)
            except subprocess.TimeoutExpired:
                self._master.kill()
                self._master.wait()
            self._master = None
        with contextlib.suppress(FileNotFoundError):
            self._socket.unlink()

    def _how(self) -> list[str]:
        options = [
            "BatchMode=yes",
            f"ConnectTimeout={max(1, round(self._limits.connect))}",
            # A box that says nothing any more is noticed within 15 s.
            *("ServerAliveInterval=5", "ServerAliveCountMax=3"),
            f"ControlPath={self._socket}",
            *self._place.options,
        ]
        words = [word for option in options for word in ("-o", option)]
        return [*words, *(("-i", self._place.key, "-o", "IdentitiesOnly=yes") if self._place.key else ())]

    def _where(self) -> list[str]:
        user, _, host = self._place.ssh.rpartition("@")
        name, _, port = host.partition(":")
        return [*(("-p", port) if port else ()), *(("-l", user) if user else ()), "--", name]


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "nothing was said about it"
