# SPDX-License-Identifier: MIT
"""A mock machine: one or more GPUs, one mock kernel in a process of its own, and programs that run on it.

with Machine(["navi31"], "series-fixed") as machine:
    status = machine.run(["vulkaninfo", "--summary"])
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from amdgpu_hw.errors import HarnessError, RunCutShort
from amdgpu_hw.mock.console.client import Console
from amdgpu_hw.mock.defaults import DEFAULT_GPU
from amdgpu_hw.mock.preload import can_be_preloaded
from amdgpu_hw.mock.variants import DEFAULT_VARIANT
from amdgpu_hw.program import hold_back_signals
from amdgpu_hw.session_directory import SessionDirectory

__all__ = ("DEFAULT_GPU", "Machine", "MachineDied", "MachineError")

_START_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 6.0
_LOG_TAIL_LINES = 10
_SOCKET_PATH_ROOM = 60
"""Bytes of a Unix socket's path (108) that the machine's directory may take: umockdev puts some behind it."""

_OURS = ("_preload.", "libumockdev-preload.")


class MachineError(HarnessError):
    """The mock machine cannot be built, or its kernel died; one sentence, then the last lines of the log if any."""


class MachineDied(MachineError, RunCutShort):
    """The mock kernel ended while somebody used the machine."""


class Machine:
    """A mock machine with these GPUs and this kernel variant; a context manager, or `start` and `close`.

    ``bugs`` are planted in the kernel. ``parameters`` are module parameters of amdgpu (docs/console.md). ``without``
    leaves devices out (``"sw_sync"``, ``"vgem"``). ``gpu_time`` multiplies the modelled time of what GPUs do; with 0 it
    takes none. ``log_file`` gets a copy of the kernel's log.
    """

    def __init__(
        self,
        gpus: Sequence[str] = (DEFAULT_GPU,),
        kernel: str = DEFAULT_VARIANT,
        *,
        bugs: Sequence[str] = (),
        parameters: Mapping[str, int] | None = None,
        without: Collection[str] = (),
        gpu_time: float = 1.0,
        log_file: Path | None = None,
    ) -> None:
        self.gpus = tuple(gpus)
        self.kernel = kernel
        self.bugs = tuple(bugs)
        self.parameters = dict(parameters or {})
        self.without = tuple(without)
        self.gpu_time = gpu_time
        self.log_file = log_file
        self._session: SessionDirectory | None = None
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._control: int | None = None
        self._environment: dict[str, str] = {}
        self._last_log = ""

    # ---- life ----

    def __enter__(self) -> Machine:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Boot the machine; returns when programs can run on it. Raises `MachineError`."""
        if self._process is not None:
            raise MachineError("this mock machine runs already")
        self._session = _private_directory()
        self._directory = self._session.path
        try:
            self._boot(self._directory)
        except BaseException:
            self.close()
            raise

    def _boot(self, directory: Path) -> None:
        ready, ready_end = os.pipe()
        control_end, self._control = os.pipe()
        command = [sys.executable, "-m", "amdgpu_hw.mock.server", f"--directory={directory}", f"--kernel={self.kernel}"]
        command += [f"--ready-fd={ready_end}", f"--control-fd={control_end}"]
        command += [f"--gpu={name}" for name in self.gpus]
        command += [f"--bug={name}" for name in self.bugs]
        command += [f"--parameter={name}={value}" for name, value in self.parameters.items()]
        command += [f"--without={name}" for name in self.without]
        command.append(f"--gpu-time={self.gpu_time}")
        if self.log_file is not None:
            command.append(f"--log={self.log_file.absolute()}")
        if threading.current_thread() is threading.main_thread():
            # PR_SET_PDEATHSIG speaks of the thread that started the process, and other threads may end early.
            command.append("--die-with-parent")
        with open(directory / "stderr", "wb", opener=_private) as errors:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=(ready_end, control_end),
                    env=_without_preload(os.environ),
                    start_new_session=True,
                )
            finally:
                os.close(ready_end)
                os.close(control_end)
        with os.fdopen(ready, "rb") as stream:
            answer = _read_answer(stream.fileno())
        if "environment" in answer:
            self._environment = answer["environment"]
        elif "error" in answer:
            raise MachineError(answer["error"])
        else:
            self._end_process()
            raise MachineDied(f"the mock kernel {self._how_it_ended()} before it was ready{self._errors()}")

    def close(self) -> None:
        """End the mock kernel and remove everything the machine made; harmless when nothing runs."""
        self._end_process()
        if self._directory is not None:
            self._last_log = self._read("log")
            self._directory = None
        if self._session is not None:
            self._session.close()
            self._session = None
        self._process = None

    def _end_process(self) -> None:
        if self._control is not None:
            self._last_log = self._read("log")
            os.close(self._control)
            self._control = None
        if self._process is None:
            return
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # ---- use ----

    @property
    def pid(self) -> int:
        """Process id of the mock kernel."""
        if self._process is None:
            raise MachineError("this mock machine does not run")
        return self._process.pid

    def environ(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Environment for a program on this machine: ``base`` (default: ours) with what the machine needs."""
        environment = _without_preload(os.environ if base is None else base)
        others = environment.get("LD_PRELOAD", "")
        environment.update(self._environment)
        if others:
            environment["LD_PRELOAD"] += f":{others}"
        return environment

    def console(self) -> Console:
        """Connect to the machine's console; raises `MachineError`."""
        if self._directory is None:
            raise MachineError("this mock machine does not run")
        self.check()
        return Console(self._directory)

    def boot(self, kernel: str, bugs: Sequence[str] = (), parameters: Mapping[str, int] | None = None) -> None:
        """Boot another kernel variant, with these bugs planted and these module parameters of amdgpu.

        Raises `ConsoleError` while a program has a file of the machine open.
        """
        with self.console() as console:
            console.boot(kernel, bugs, parameters)
        self.kernel, self.bugs, self.parameters = kernel, tuple(bugs), dict(parameters or {})

    def log(self) -> str:
        """The mock kernel's log, as dmesg prints it; still readable after `close`."""
        return self._last_log if self._directory is None else self._read("log")

    def check(self) -> None:
        """Raise `MachineDied` if the mock kernel has."""
        if self._process is not None and self._process.poll() is not None:
            raise MachineDied(f"the mock kernel {self._how_it_ended()}{self._errors()}{self._log_tail()}")

    def run(self, command: Sequence[str], env: Mapping[str, str] | None = None, *, ours: bool = False) -> int:
        """Run a program on the machine; its exit status, or minus the signal that ended it.

        Ctrl-C reaches the program (it is in our process group) and not us; SIGTERM and SIGHUP are passed on to it.
        ``ours``: the program is one of this package, and gets signals from where it can handle them
        (`hold_back_signals`). Raises `MachineError` when it cannot be started, `MachineDied` when the mock kernel dies
        meanwhile; the program is then ended as well.
        """
        self.check()
        server = self._process
        if server is None:
            raise MachineError("this mock machine does not run")
        with contextlib.ExitStack() as stack:
            passing = stack.enter_context(_PassedSignals())
            try:
                with hold_back_signals() if ours else contextlib.nullcontext():
                    program = subprocess.Popen(command, env=self.environ(env))
            except OSError as error:
                raise MachineError(f"cannot run '{command[0]}': {error.strerror}") from None
            stack.callback(_end_program, program)
            passing.to(program)
            with _pidfds(program.pid, server.pid) as (program_fd, server_fd), selectors.DefaultSelector() as selector:
                selector.register(program_fd, selectors.EVENT_READ)
                selector.register(server_fd, selectors.EVENT_READ)
                ended = {key.fd for key, _ in selector.select()}
            if server_fd in ended:  # also if the program ended because of that
                server.wait()
                self.check()
            return program.wait()

    # ---- what is left of a dead kernel ----

    def _read(self, name: str) -> str:
        if self._directory is None:
            return ""
        try:
            return (self._directory / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return self._last_log if name == "log" else ""

    def _how_it_ended(self) -> str:
        status = None if self._process is None else self._process.returncode
        if status is None:
            return "did not start"
        if status < 0:
            return f"was killed by {signal.Signals(-status).name}"
        return f"ended with exit status {status}"

    def _errors(self) -> str:
        lines = self._read("stderr").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def _log_tail(self) -> str:
        lines = self.log().splitlines()[-_LOG_TAIL_LINES:]
        return "\n".join(["", "The last lines of its log:", *lines]) if lines else ""


class _PassedSignals:
    """While a program runs: the terminal's signals are its own, and SIGTERM and SIGHUP are passed on to it."""

    def __init__(self) -> None:
        self._program: subprocess.Popen[bytes] | None = None
        self._before: dict[signal.Signals, object] = {}
        self._early: list[int] = []

    def __enter__(self) -> _PassedSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
                handler = self._ignore if number in (signal.SIGINT, signal.SIGQUIT) else self._pass
                self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal() itself returned

    def to(self, program: subprocess.Popen[bytes]) -> None:
        """Name the program, and pass on what came before it was there."""
        self._program = program
        for number in self._early:
            program.send_signal(number)

    def _ignore(self, _number: int, _frame: FrameType | None) -> None:
        """Let the program have it alone. Not SIG_IGN: that would be inherited."""

    def _pass(self, number: int, _frame: FrameType | None) -> None:
        if self._program is None:
            self._early.append(number)
        else:
            self._program.send_signal(number)


def _end_program(program: subprocess.Popen[bytes]) -> None:
    """End a program whose machine is gone, or that an exception left behind."""
    if program.poll() is not None:
        return
    program.terminate()
    try:
        program.wait(_END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


@contextlib.contextmanager
def _pidfds(*pids: int) -> Iterator[list[int]]:
    with contextlib.ExitStack() as stack:
        descriptors = []
        for pid in pids:
            descriptors.append(os.pidfd_open(pid))
            stack.callback(os.close, descriptors[-1])
        yield descriptors


def _private_directory() -> SessionDirectory:
    """Make a directory that only this user can enter, with a path short enough for sockets and fit for LD_PRELOAD."""
    for parent in (tempfile.gettempdir(), "/tmp"):
        fits = len(os.fsencode(parent)) <= _SOCKET_PATH_ROOM - len("/amdgpu-hw-12345678")
        if fits and can_be_preloaded(parent):
            try:
                return SessionDirectory(parent)
            except OSError as error:
                raise MachineError(
                    f"no directory for the mock machine can be made in {parent}: {error.strerror}"
                ) from None
    raise MachineError(
        "the path of the directory for temporary files is too long for sockets: set TMPDIR to a shorter one"
    )


def _private(path: str, flags: int) -> int:
    """Open a file that only this user can read."""
    return os.open(path, flags, 0o600)


def _read_answer(fd: int) -> dict[str, Any]:
    """What the mock kernel's process says when it is ready or cannot be; empty when it died."""
    text = b""
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while selector.select(_START_TIMEOUT_S):
            part = os.read(fd, 65536)
            text += part
            if not part:
                break
    answer: dict[str, Any] = json.loads(text) if text else {}
    return answer


def _without_preload(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without another mock machine: one can be started by a program that runs on one."""
    result = {name: value for name, value in environment.items() if name not in ("UMOCKDEV_DIR", "AMDGPU_HW_MOCK")}
    libraries = [
        library
        for library in result.get("LD_PRELOAD", "").replace(" ", ":").split(":")
        if library and not Path(library).name.startswith(_OURS)
    ]
    result.pop("LD_PRELOAD", None)
    if libraries:
        result["LD_PRELOAD"] = ":".join(libraries)
    return result
