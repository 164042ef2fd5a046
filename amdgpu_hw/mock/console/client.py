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
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from amdgpu_hw.decode import decode
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.mock.console.types import (
    BoState,
    ClientState,
    ContextState,
    FileState,
    JobState,
    MappingState,
    RingState,
    Status,
)

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


class Console:
    """A connection to the console of the machine in ``directory``; a context manager.

    Rings go by the names that `rings` lists, GPUs by their number on the machine, open files by their client id.
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
        request = json.dumps({"command": command, "arguments": arguments}).encode() + b"\n"
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

    # -- state ----------------------------------------------------------------------------------------------------

    def status(self) -> Status:
        """The machine as a whole: its kernel, its GPUs, injected faults that have not happened yet."""
        result: Status = decode(Status, self.call("status"))
        return result

    def log(self, lines: int = 0) -> str:
        """The last ``lines`` of the kernel's log as dmesg prints them; 0: all of it."""
        return str(self.call("log", lines=lines))

    def clients(self) -> list[ClientState]:
        """The processes that use the machine."""
        return [decode(ClientState, item) for item in self.call("clients")]

    def files(self) -> list[FileState]:
        """The open files."""
        return [decode(FileState, item) for item in self.call("files")]

    def contexts(self, client_id: int | None = None) -> list[ContextState]:
        """The contexts of one open file, or of all."""
        return [decode(ContextState, item) for item in self.call("contexts", client_id=client_id)]

    def bos(self, client_id: int | None = None) -> list[BoState]:
        """The buffers of one open file, or of all."""
        return [decode(BoState, item) for item in self.call("bos", client_id=client_id)]

    def mappings(self, client_id: int, va: int = 0, limit: int = 1000) -> list[MappingState]:
        """Up to ``limit`` mappings of an open file, from address ``va`` on."""
        return [decode(MappingState, i) for i in self.call("mappings", client_id=client_id, va=va, limit=limit)]

    def rings(self) -> list[RingState]:
        """The rings of all GPUs."""
        return [decode(RingState, item) for item in self.call("rings")]

    def jobs(self) -> list[JobState]:
        """Every job that is not done."""
        return [decode(JobState, item) for item in self.call("jobs")]

    def updates(self, client_id: int | None = None) -> list[JobState]:
        """The page-table updates that are not done, of one open file or of all, and the fences each waits for."""
        return [decode(JobState, item) for item in self.call("updates", client_id=client_id)]

    def audit(self) -> dict[str, int]:
        """What is kept for clients; every count is 0 when they are gone and their work is done."""
        return dict(self.call("audit"))

    # -- rings ----------------------------------------------------------------------------------------------------

    def hold(self, ring: str, gpu: int = 0) -> None:
        """Stop a ring behind the packet it is at."""
        self.call("hold", ring=ring, gpu=gpu)

    def release(self, ring: str, gpu: int = 0) -> None:
        """Let a held ring go on."""
        self.call("release", ring=ring, gpu=gpu)

    def step(self, ring: str, gpu: int = 0) -> str:
        """Let a held ring execute one packet; returns where it is then."""
        return str(self.call("step", ring=ring, gpu=gpu))

    # -- faults ---------------------------------------------------------------------------------------------------

    def hang(self, ring: str, gpu: int = 0, *, wave: bool = False) -> None:
        """Hang a ring at its current job, or the next one; ``wave``: as a shader does, which soft recovery kills."""
        self.call("hang", ring=ring, gpu=gpu, wave=wave)

    def lose_fence(self, ring: str, gpu: int = 0) -> None:
        """Lose the next fence that a ring writes: its job has run, but nobody hears of it."""
        self.call("lose_fence", ring=ring, gpu=gpu)

    def delay_fence(self, ring: str, ms: float, gpu: int = 0) -> None:
        """Make the next fence that a ring writes come ``ms`` late."""
        self.call("delay_fence", ring=ring, ms=ms, gpu=gpu)

    def fail_alloc(self, nth: int = 1, times: int = 1, site: str | None = None) -> None:
        """Make the ``nth`` allocation from now on fail with ENOMEM, and the ``times - 1`` after it.

        ``site``: count only those of one kernel function (`fault_injection.AllocSite`).
        """
        self.call("fail_alloc", nth=nth, times=times, site=site)

    def interrupt(self, nth: int = 1, times: int = 1, pid: int | None = None) -> None:
        """Interrupt the ``nth`` system call from now on that sleeps, as a signal does (EINTR)."""
        self.call("interrupt", nth=nth, times=times, pid=pid)

    def fail_ring_reset(self, times: int = 1) -> None:
        """Make the next resets of single rings fail, so that the whole GPU is reset."""
        self.call("fail_ring_reset", times=times)

    def clear_faults(self) -> None:
        """Forget injected faults that have not happened."""
        self.call("clear_faults")

    def reset(self, gpu: int = 0) -> None:
        """Reset a GPU, as root does through debugfs."""
        self.call("reset", gpu=gpu)

    def unplug(self, gpu: int = 0) -> None:
        """Pull a GPU out: its nodes go away and open files answer ENODEV."""
        self.call("unplug", gpu=gpu)

    # -- the machine ----------------------------------------------------------------------------------------------

    def parameter(self, name: str, value: int) -> None:
        """Set a module parameter of amdgpu: one of `amdgpu_drv.params`."""
        self.call("parameter", name=name, value=value)

    def boot(self, kernel: str, bugs: Sequence[str] = (), parameters: Mapping[str, int] | None = None) -> None:
        """Boot another kernel variant, with these bugs planted and these module parameters of amdgpu.

        Refused while a client has a file open.
        """
        given = ",".join(f"{name}={value}" for name, value in (parameters or {}).items())
        self.call("boot", kernel=kernel, bugs=",".join(bugs), parameters=given)
