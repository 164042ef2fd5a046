# SPDX-License-Identifier: MIT
"""A guest machine: a real kernel in QEMU with modelled GPUs, and programs of this machine's that run on it.

with GuestMachine(GuestOptions()) as machine:
    status = machine.run(["amdgpu-hw", "list"])
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from amdgpu_hw.guest.assembly import Assembled, assemble
from amdgpu_hw.guest.channel import Frame
from amdgpu_hw.guest.ending import ConsoleLog, GuestError
from amdgpu_hw.guest.guest_options import GuestOptions
from amdgpu_hw.guest.kernels import GuestKernel
from amdgpu_hw.guest.link import Link, content_of
from amdgpu_hw.guest.monitor import end_when_reset, press_reset
from amdgpu_hw.guest.terminal import CaughtSignals, CommandStreams

__all__ = ("GuestError", "GuestMachine", "GuestOptions")

_BOOT_S = 180.0
_LOAD_S = 300.0
_AFTER_SIGNAL_S = 20.0
_OFF_S = 10.0
_RESET_S = 30.0

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TERM", "TZ", "USER", "VIRTUAL_ENV")


class GuestMachine:
    """A guest machine; a context manager, or `start` and `close`. To be used from the main thread."""

    def __init__(self, options: GuestOptions) -> None:
        self.options = options
        self.console = (options.console or Path("guest-console.log")).absolute()
        self.times: dict[str, float] = {}
        """Seconds until everything was started, until its first process ran, and until the driver was loaded."""
        self.loading: dict[str, float] = {}
        """Seconds that each module took to load."""
        self.bound = 0
        """How many GPUs the driver has taken."""
        self._stack = contextlib.ExitStack()
        self._signals = CaughtSignals()
        self._log = ConsoleLog(self.console)
        self._parts: Assembled | None = None
        self._link: Link | None = None

    # ---- life ----

    def __enter__(self) -> GuestMachine:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Boot it and load the driver. Raises `GuestError` or another `HarnessError`."""
        try:
            self._signals.install()
            self._stack.callback(self._signals.restore)
            before = time.monotonic()
            parts = self._parts = assemble(self.options, self._log, self._stack, self._signals)
            self._link = Link(parts.channel, parts.processes, self._log, self._signals)
            self.times["prepare"] = time.monotonic() - before
            self._boot()
            self.load_driver()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Switch it off and remove everything but its logs; harmless when nothing runs."""
        try:
            if self._parts is not None and self._link is not None and not self._parts.processes.qemu.ended():
                with contextlib.suppress(GuestError):
                    self._link.send(Frame.OFF)
                    self._parts.processes.qemu.wait(_OFF_S)
        finally:
            self._stack.close()
            self._parts, self._link = None, None

    def _boot(self) -> None:
        """Wait for the guest's first process."""
        before = time.monotonic()
        self._running[1].expect(Frame.ALIVE, _BOOT_S, "boot")
        self.times["boot"] = time.monotonic() - before

    @property
    def _running(self) -> tuple[Assembled, Link]:
        """What it consists of and the way to its first process; raises `GuestError` when it does not run."""
        if self._parts is None or self._link is None:
            raise GuestError("this guest machine does not run")
        return self._parts, self._link

    # ---- use ----

    @property
    def words(self) -> str:
        """Which machine this is, in one line: what is real, and what is not."""
        if self._parts is None:
            return "a guest machine that does not run"
        kernel = self._parts.kernel
        module = f" with {self.options.amdgpu}" if self.options.amdgpu else ""
        return (
            f"guest machine: REAL KERNEL Linux {kernel.release} ({kernel.origin}){module}, "
            f"MODELLED GPU {', '.join(self.options.gpus)}; {self._parts.accelerator.words}; up after "
            f"{sum(self.times.values()):.0f} s; console: {self.console}"
        )

    @property
    def trouble(self) -> str:
        """What a person should know before anything runs; empty if all is well."""
        wanted = len(self.options.gpus)
        if not self.options.load_driver or self.bound == wanted:
            return ""
        taken = "has not taken the GPU" if wanted == 1 else f"has taken {self.bound} of the {wanted} GPUs"
        return f"amdgpu {taken}{self._log.last_words()}; its console is in {self.console}"

    @property
    def kernel(self) -> GuestKernel:
        """Which kernel runs."""
        return self._running[0].kernel

    @property
    def qemu_pid(self) -> int:
        """Process id of QEMU."""
        return self._running[0].processes.qemu.pid

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
        """Run a program in the guest, in our working directory; its exit status as a shell gives it.

        What it writes is written by us, and our standard input is its own. ``environment`` is added to the few
        variables that are passed on. Raises `GuestError` when the machine ends first.
        """
        _, link = self._running
        passed = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
        passed["PATH"] = os.pathsep.join([passed.get("PATH", _PATH), str(Path(sys.executable).parent)])
        request: dict[str, Any] = {
            "command": list(command),
            "directory": str(Path.cwd()),
            "environment": {**passed, **(environment or {})},
            "user": self.options.user,
        }
        streams = CommandStreams()
        if streams.terminal:
            request["terminal"] = streams.size()
        with streams:
            link.send(Frame.RUN, json.dumps(request).encode())
            answer = self._serve(link, streams)
        if "why" in answer:
            print(f"amdgpu-hw: the guest cannot run '{command[0]}': {answer['why']}", file=sys.stderr)
        status = int(answer["status"])
        return status if status >= 0 else 128 - status

    def _serve(self, link: Link, streams: CommandStreams) -> dict[str, Any]:
        """Pass on what there is to pass on until the command has ended."""
        deadline: float | None = None
        while True:
            for number in self._signals.take():
                if number == signal.SIGWINCH:
                    if streams.terminal:
                        link.send(Frame.SIZE, json.dumps(streams.size()).encode())
                    continue
                if deadline is not None:
                    raise GuestError(f"interrupted; the guest's console is in {self.console}")
                link.send(Frame.SIGNAL, str(number).encode())
                deadline = time.monotonic() + _AFTER_SIGNAL_S
            if deadline is not None and time.monotonic() > deadline:
                raise GuestError(
                    f"interrupted: the command in the guest did not end within {_AFTER_SIGNAL_S:g} s; "
                    f"the guest's console is in {self.console}"
                )
            for frame, content in link.receive(1.0, streams.input):
                if frame is Frame.EXIT:
                    return content_of(content)
                if frame in (Frame.OUT, Frame.ERR):
                    streams.write(frame, content)
            if streams.readable():
                link.send(Frame.IN, streams.read())

    def load_driver(self) -> None:
        """Load the modules that `start` loads: a driver that was unloaded is there again, as is what it stands on."""
        parts, link = self._running
        before = time.monotonic()
        wanted = [
            {"name": module.name, "path": str(module.path), "parameters": words} for module, words in parts.modules
        ]
        link.send(Frame.LOAD, json.dumps(wanted).encode())
        answer = content_of(link.expect(Frame.READY, _LOAD_S, "load the driver"))
        self.times["load"] = time.monotonic() - before
        self.loading = answer.get("took", {})
        self.bound = int(answer.get("bound", 0))
        if "refused" in answer:
            raise GuestError(
                f"the guest's kernel refused the module {answer['refused']}: {answer['why']}; "
                f"its console is in {self.console}"
            )

    def restart(self) -> None:
        """Reset the machine as its button does, boot it anew and load the driver again; between two commands.

        What runs in the guest is gone, and what it wrote into its memory; the GPUs are as after power-up.
        Raises `GuestError` or another `HarnessError`.
        """
        parts, link = self._running
        parts.processes.check()
        press_reset(parts.monitor, _RESET_S)
        link.begin_anew()
        self._log.boots_anew()
        self._boot()
        end_when_reset(parts.monitor, _RESET_S)
        self.load_driver()
