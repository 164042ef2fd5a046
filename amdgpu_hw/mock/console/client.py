# SPDX-License-Identifier: MIT
"""The console of a running mock machine: look into it, hold its rings, make things go wrong.

with Machine(["navi31"]) as machine, machine.console() as console:
    console.hold("comp_1.0.0")
    ...
    for update in console.updates():
        print(update.what, update.waits_for)
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.mock.console.declared import ConsoleCommands

__all__ = ("Console", "ConsoleError", "find_machine")

_SOCKET = "console"
_ENVIRONMENT = "AMDGPU_HW_MOCK"
_TIMEOUT_S = 30.0


class ConsoleError(HarnessError):
    """The machine cannot be reached, or refuses a command; one sentence."""


def find_machine() -> Path:
    """Return the directory of the machine this process runs on, else of the one that runs; raises `ConsoleError`."""
    own = os.environ.get(_ENVIRONMENT)
    if own:
        return Path(own)
    parents = {Path(tempfile.gettempdir()), Path("/tmp")}
    found = sorted({path.parent for parent in parents for path in parent.glob(f"amdgpu-hw-*/{_SOCKET}")})
    mine = [directory for directory in found if directory.stat().st_uid == os.getuid()]
    if len(mine) == 1:
        return mine[0]
    if mine:
        names = ", ".join(str(directory) for directory in mine)
        raise ConsoleError(f"several mock machines run, say which one with --machine: {names}")
    raise ConsoleError("no mock machine runs: start one, for example with 'amdgpu-hw mock -- bash'")


class Console(ConsoleCommands):
    """A connection to the console of the machine in ``directory``; a context manager.

    Every method raises `ConsoleError`.
    """

    def __init__(self, directory: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_TIMEOUT_S)
        try:
            self._socket.connect(str(directory / _SOCKET))
        except OSError as error:
            self._socket.close()
            raise ConsoleError(f"no mock machine answers in {directory}: {error.strerror}") from None
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; harmless when it has ended."""
        with contextlib.suppress(OSError):
            self._lines.close()
        self._socket.close()

    def call(self, command: str, **arguments: Any) -> Any:
        """Send any command and return its result as JSON gives it."""
        request = json.dumps({"command": command, "arguments": arguments}, default=dict).encode() + b"\n"
        try:
            self._socket.sendall(request)
            line = self._lines.readline()
        except (OSError, ValueError) as error:
            raise ConsoleError(f"the mock machine does not answer: {error}") from None
        if not line:
            raise ConsoleError("the mock machine has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise ConsoleError(answer["error"])
        return answer["result"]

    def carry_out(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """As `call`: what the methods of `ConsoleCommands` do here."""
        return self.call(command, **arguments)
