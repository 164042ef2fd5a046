# SPDX-License-Identifier: MIT
"""A guest machine: a real kernel in QEMU with modelled GPUs, and programs of this machine's that run on it.

with GuestMachine(GuestOptions()) as machine:
    status = machine.run(["amdgpu-hw", "list"])
"""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from amdgpu_hw.errors import HarnessError, RunCutShort
from amdgpu_hw.guest.accelerator import Accelerator, choose_accelerator
from amdgpu_hw.guest.boot_image import boot_image
from amdgpu_hw.guest.channel import Frame, FrameReader, pack, ready
from amdgpu_hw.guest.initramfs import first_file_system, init_script
from amdgpu_hw.guest.kernels import GuestKernel, find_kernel
from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU, ModelledGpu, driver_parameters, end_gpu, start_gpu
from amdgpu_hw.guest.modules import ModuleSet, Prepared
from amdgpu_hw.guest.monitor import end_when_reset, press_reset
from amdgpu_hw.guest.processes import Child, last_line, wait_for_socket
from amdgpu_hw.guest.qemu import Hardware, kernel_command_line, qemu_command
from amdgpu_hw.guest.shares import Share, shared_directories, start_share
from amdgpu_hw.guest.terminal import CaughtSignals, CommandStreams
from amdgpu_hw.guest.tools import find_tools
from amdgpu_hw.session_directory import SessionDirectory

__all__ = ("GuestError", "GuestMachine", "GuestOptions")

_EARLY = ("virtio_pci", "virtio_console", "fuse", "virtiofs", "overlay")
"""What the guest's root file system and our port need, where it is not built in."""
_BESIDE = ("vgem",)
"""What the harness makes gates of."""

_LISTEN_S = 30.0
_BOOT_S = 180.0
_LOAD_S = 300.0
_SILENCE_S = 60.0
"""Without a sign of life from the guest's first process for so long, the guest hangs."""
_AFTER_SIGNAL_S = 20.0
_OFF_S = 10.0
_RESET_S = 30.0
_CHUNK = 65536

_BUG = "BUG: "
_PANIC = ("Kernel panic", "Attempted to kill init", "amdgpu-hw: ")
_REBOOT = "reboot: Restarting system"
"""What kernel_restart says; a panic that restarts the machine does not come there."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TERM", "TZ", "USER", "VIRTUAL_ENV")


class GuestError(HarnessError):
    """The guest machine cannot be built, or it ended before the command did."""


@dataclass(frozen=True, slots=True)
class GuestOptions:
    """What a person can say about a guest machine."""

    gpus: Sequence[str] = (DEFAULT_GPU,)
    linux: str | None = None
    """A kernel, as `amdgpu_hw.guest.kernels.find_kernel` takes it."""
    modules: Path | None = None
    """Where the kernel's modules are, if not where they are looked for."""
    amdgpu: Path | None = None
    """An amdgpu.ko in place of the kernel's own."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Module parameters of amdgpu."""
    accelerator: str | None = None
    memory_mib: int = 2048
    processors: int = 2
    writable: Sequence[Path] = ()
    """Directories that are shared for writing, beside the working directory."""
    kernel_arguments: Sequence[str] = ()
    qemu_arguments: Sequence[str] = ()
    load_driver: bool = True
    whole_modules: bool = False
    """Modules keep what makes them slow to load (`amdgpu_hw.guest.modules.prepare`)."""
    console: Path | None = None
    """Where the log of the guest's console is kept."""
    user: str | None = None
    """Who runs commands in the guest; root by default."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for commands in the guest, beside the few that are passed on."""


class GuestMachine:
    """A guest machine; a context manager, or `start` and `close`. To be used from the main thread."""

    def __init__(self, options: GuestOptions) -> None:
        self.options = options
        self.kernel: GuestKernel | None = None
        self.accelerator: Accelerator | None = None
        self.console = (options.console or Path("guest-console.log")).absolute()
        self.times: dict[str, float] = {}
        """Seconds until everything was started, until its first process ran, and until the driver was loaded."""
        self.loading: dict[str, float] = {}
        """Seconds that each module took to load."""
        self.bound = 0
        """How many GPUs the driver has taken."""
        self._stack = contextlib.ExitStack()
        self._children: list[Child] = []
        self._qemu: Child | None = None
        self._channel: socket.socket | None = None
        self._reader = FrameReader()
        self._frames: list[tuple[Frame, bytes]] = []
        self._signals = CaughtSignals()
        self._alive = 0.0
        self._monitor = Path()
        self._modules: list[tuple[Prepared, str]] = []
        self._booted_at = 0
        """Where in the console's log the kernel that runs began."""

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
            self._start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Switch it off and remove everything but its logs; harmless when nothing runs."""
        try:
            if self._channel is not None and self._qemu is not None and not self._qemu.ended():
                with contextlib.suppress(OSError):
                    self._channel.sendall(pack(Frame.OFF))
                    self._qemu.wait(_OFF_S)
        finally:
            self._stack.close()
            self._channel, self._qemu, self._children = None, None, []

    def _start(self) -> None:
        options = self.options
        before = time.monotonic()
        tools = find_tools()
        kernel = self.kernel = find_kernel(options.linux, options.modules)
        given = {} if options.amdgpu is None else {"amdgpu": options.amdgpu.absolute()}
        modules = ModuleSet(kernel.modules, kernel.release, given, options.whole_modules)
        early = [module.path for module in modules.closure(_EARLY)]
        self._modules = self._wanted_modules(modules)
        self.accelerator = choose_accelerator(tools, kernel, options.accelerator)

        directory = self._directory()
        self._monitor = directory / "monitor.sock"
        self.console.parent.mkdir(parents=True, exist_ok=True)
        self.console.write_bytes(b"")
        firmware = directory / "firmware"
        firmware.mkdir()
        gpus = [self._gpu(name, directory, number, firmware) for number, name in enumerate(options.gpus)]
        shares = [
            self._share(tools.virtiofsd, share, directory)
            for share in shared_directories(Path.cwd(), [*options.writable, self.console.parent])
        ]
        mounts = [(share.tag, str(share.directory)) for share in shares if share.writable]
        initramfs = directory / "initramfs"
        initramfs.write_bytes(
            first_file_system(
                tools.busybox, early, init_script(mounts, _agent_command(), kernel.release, kernel.modules)
            )
        )
        _compile_package()
        ours, theirs = socket.socketpair()
        self._stack.callback(ours.close)
        self._channel = ours
        for gpu in gpus:
            wait_for_socket(gpu.socket, gpu.child, _LISTEN_S, self._end_if_interrupted)
        for share, child in zip(shares, self._children[-len(shares) :], strict=True):
            wait_for_socket(share.socket(directory), child, _LISTEN_S, self._end_if_interrupted)
        hardware = Hardware(
            self.accelerator.name,
            options.memory_mib,
            options.processors,
            self.console,
            [gpu.socket for gpu in gpus],
            [(share.tag, share.socket(directory)) for share in shares],
            theirs.fileno(),
            self._monitor,
            options.qemu_arguments,
        )
        arguments = kernel_command_line(firmware, options.kernel_arguments)
        command = qemu_command(tools, hardware, boot_image(kernel.image), initramfs, arguments)
        with theirs:
            self._qemu = Child("QEMU", command, directory / "qemu.log", (theirs.fileno(),))
        self._stack.callback(self._qemu.end)
        self._children.append(self._qemu)
        self.times["prepare"] = time.monotonic() - before
        self._boot()
        self.load_driver()

    def _directory(self) -> Path:
        try:
            return self._stack.enter_context(SessionDirectory())
        except OSError as error:
            raise GuestError(f"no directory for the guest machine can be made: {error}") from None

    def _wanted_modules(self, modules: ModuleSet) -> list[tuple[Prepared, str]]:
        if not self.options.load_driver:
            return []
        parameters = driver_parameters(self.options.gpus, self.options.parameters)
        words = " ".join(f"{name}={value}" for name, value in parameters.items())
        wanted = [*(name for name in _BESIDE if modules.has(name)), "amdgpu"]
        order = modules.closure(wanted)
        for module in order:
            if module.release != modules.release:
                raise GuestError(
                    f"the module {module.name} was built for Linux {module.release}, but the guest's kernel is "
                    f"{modules.release}: it would refuse it"
                )
        return [(module, words if module.name == "amdgpu" else "") for module in order]

    def _gpu(self, name: str, directory: Path, number: int, firmware: Path) -> ModelledGpu:
        log = self.console.with_suffix(f".gpu{number}.log")
        gpu = start_gpu(name, directory, number, log, firmware)
        self._stack.callback(end_gpu, gpu)
        self._children.append(gpu.child)
        return gpu

    def _share(self, virtiofsd: Sequence[str], share: Share, directory: Path) -> Share:
        child = start_share(virtiofsd, share, directory)
        self._stack.callback(child.end)
        self._children.append(child)
        return share

    def _boot(self) -> None:
        """Wait for the guest's first process."""
        before = time.monotonic()
        self._expect(Frame.ALIVE, _BOOT_S, "boot")
        self.times["boot"] = time.monotonic() - before

    # ---- use ----

    @property
    def words(self) -> str:
        """Which machine this is, in one line: what is real, and what is not."""
        if self.kernel is None or self.accelerator is None:
            return "a guest machine that does not run"
        module = f" with {self.options.amdgpu}" if self.options.amdgpu else ""
        return (
            f"guest machine: REAL KERNEL Linux {self.kernel.release} ({self.kernel.origin}){module}, "
            f"MODELLED GPU {', '.join(self.options.gpus)}; {self.accelerator.words}; up after "
            f"{sum(self.times.values()):.0f} s; console: {self.console}"
        )

    @property
    def trouble(self) -> str:
        """What a person should know before anything runs; empty if all is well."""
        wanted = len(self.options.gpus)
        if not self.options.load_driver or self.bound == wanted:
            return ""
        taken = "has not taken the GPU" if wanted == 1 else f"has taken {self.bound} of the {wanted} GPUs"
        return f"amdgpu {taken}{self._last_words()}; its console is in {self.console}"

    @property
    def qemu_pid(self) -> int:
        """Process id of QEMU."""
        if self._qemu is None:
            raise GuestError("this guest machine does not run")
        return self._qemu.pid

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
        """Run a program in the guest, in our working directory; its exit status as a shell gives it.

        What it writes is written by us, and our standard input is its own. ``environment`` is added to the few
        variables that are passed on. Raises `GuestError` when the machine ends first.
        """
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
            self._send(Frame.RUN, json.dumps(request).encode())
            answer = self._serve(streams)
        if "why" in answer:
            print(f"amdgpu-hw: the guest cannot run '{command[0]}': {answer['why']}", file=sys.stderr)
        status = int(answer["status"])
        return status if status >= 0 else 128 - status

    def _serve(self, streams: CommandStreams) -> dict[str, Any]:
        """Pass on what there is to pass on until the command has ended."""
        deadline: float | None = None
        while True:
            for number in self._signals.take():
                if number == signal.SIGWINCH:
                    if streams.terminal:
                        self._send(Frame.SIZE, json.dumps(streams.size()).encode())
                    continue
                if deadline is not None:
                    raise GuestError(f"interrupted; the guest's console is in {self.console}")
                self._send(Frame.SIGNAL, str(number).encode())
                deadline = time.monotonic() + _AFTER_SIGNAL_S
            if deadline is not None and time.monotonic() > deadline:
                raise GuestError(
                    f"interrupted: the command in the guest did not end within {_AFTER_SIGNAL_S:g} s; "
                    f"the guest's console is in {self.console}"
                )
            for frame, content in self._receive(1.0, streams.input):
                if frame is Frame.EXIT:
                    return self._json(content)
                if frame in (Frame.OUT, Frame.ERR):
                    streams.write(frame, content)
            if streams.readable():
                data = streams.read()
                self._send(Frame.IN, data)

    def load_driver(self) -> None:
        """Load the modules that `start` loads: a driver that was unloaded is there again, as is what it stands on."""
        before = time.monotonic()
        wanted = [
            {"name": module.name, "path": str(module.path), "parameters": words} for module, words in self._modules
        ]
        self._send(Frame.LOAD, json.dumps(wanted).encode())
        answer = self._json(self._expect(Frame.READY, _LOAD_S, "load the driver"))
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
        if self._channel is None:
            raise GuestError("this guest machine does not run")
        self._check()
        press_reset(self._monitor, _RESET_S)
        # What the first process had written before, in the middle of a message perhaps.
        with contextlib.suppress(BlockingIOError):
            while self._channel.recv(_CHUNK, socket.MSG_DONTWAIT):
                pass
        self._reader = FrameReader()
        self._alive = 0.0
        self._booted_at = self.console.stat().st_size
        self._boot()
        end_when_reset(self._monitor, _RESET_S)
        self.load_driver()

    # ---- the channel ----

    def _send(self, frame: Frame, content: bytes) -> None:
        assert self._channel is not None
        try:
            self._channel.sendall(pack(frame, content))
        except OSError:
            self._check()
            raise GuestError(
                f"the guest machine takes no messages any more; its console is in {self.console}"
            ) from None

    def _expect(self, wanted: Frame, timeout_s: float, doing: str) -> bytes:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self._end_if_interrupted()
            frames = self._receive(0.2)
            for frame, content in frames:
                if frame is wanted:
                    return content
        raise GuestError(
            f"the guest machine did not {doing} within {timeout_s:g} s{self._last_words()}; "
            f"its console is in {self.console}"
        )

    def _receive(self, timeout_s: float, also: int | None = None) -> list[tuple[Frame, bytes]]:
        """Frames that came within so many seconds; raises `GuestError` when the machine is gone or hangs."""
        assert self._channel is not None
        watched = [self._channel.fileno(), self._signals.fd, *(child.pidfd for child in self._children)]
        readable, _ = ready([*watched, *([] if also is None else [also])], timeout_s=timeout_s)
        frames = []
        if self._channel.fileno() in readable:
            try:
                data = self._channel.recv(_CHUNK)
            except ConnectionError:
                data = b""
            if data:
                self._alive = time.monotonic()
                frames = self._reader.take(data)
            else:
                self._gone()
        elif any(child.pidfd in readable for child in self._children):
            self._check()
        if self._alive and time.monotonic() - self._alive > _SILENCE_S:
            raise GuestError(
                f"the guest machine hangs: its first process gave no sign of life for {_SILENCE_S:g} s"
                f"{self._last_words()}; its console is in {self.console}"
            )
        return frames

    def _json(self, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise GuestError(f"the guest machine sent what is no message: {content[:80]!r}")
        return answer

    def _end_if_interrupted(self) -> None:
        """Raise `RunCutShort` if a signal came that is to end us."""
        if self._signals.asks_to_end():
            raise RunCutShort("interrupted before the guest machine was up")

    def _gone(self) -> None:
        """The port is closed: QEMU has ended, or is about to."""
        if self._qemu is not None:
            self._qemu.wait(_OFF_S)
        self._check()
        raise GuestError(f"the guest machine closed its port; its console is in {self.console}")

    def _check(self) -> None:
        """Raise `GuestError` if one of the machine's processes has ended."""
        others = [child for child in self._children if child is not self._qemu and child.ended()]
        qemu = self._qemu
        if qemu is not None and qemu.ended():
            if others and others[0].name.startswith("the modelled"):
                raise GuestError(f"{others[0].how()}, and the guest with it; its console is in {self.console}")
            panic = self._panic()
            if panic:
                raise GuestError(f"the guest's kernel panicked: {panic}; its console is in {self.console}")
            if self._rebooted():
                raise GuestError(
                    "the guest rebooted, which ends its machine as switching it off does; "
                    f"its console is in {self.console}"
                )
            if qemu.wait(0) and qemu.how().endswith("exit status 0"):
                raise GuestError(
                    f"the guest machine was switched off before the command ended; its console is in {self.console}"
                )
            raise GuestError(f"{qemu.how()}; the guest's console is in {self.console}")
        if others:
            raise GuestError(f"{others[0].how()}; the guest's console is in {self.console}")

    def _panic(self) -> str:
        """What the console says of a panic, with the bug that it came from if one was told before."""
        bug = ""
        for line in self._console_lines():
            if _BUG in line:
                bug = f"{line.strip()}; "
            if any(sign in line for sign in _PANIC):
                return bug + line.strip()
        return ""

    def _rebooted(self) -> bool:
        return any(_REBOOT in line for line in self._console_lines())

    def _console_lines(self) -> list[str]:
        """What the console has of the kernel that runs."""
        try:
            return self.console.read_bytes()[self._booted_at :].decode(errors="replace").splitlines()
        except OSError:
            return []

    def _last_words(self) -> str:
        said = last_line(self.console)
        return f" (its last line: {said})" if said else ""


def _compile_package() -> None:
    """Write the byte code of this package beside it: the guest would do it anew each time, on emulated processors."""
    package = Path(__file__).resolve().parents[1]
    if os.access(package, os.W_OK):
        compileall.compile_dir(package, quiet=2)


def _agent_command() -> list[str]:
    """Without site-packages, which the agent does not need and which take emulated time to find."""
    ours = str(Path(__file__).resolve().parents[2])
    start = f"import sys; sys.path.append({ours!r}); from amdgpu_hw.guest.agent import main; main()"
    return [sys.executable, "-I", "-S", "-c", start]
