# SPDX-License-Identifier: MIT
"""Starts what a guest machine consists of: its modelled GPUs, the daemons of its files, QEMU with a kernel."""

from __future__ import annotations

import compileall
import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.guest.accelerator import Accelerator, choose_accelerator
from amdgpu_hw.guest.boot_image import boot_image
from amdgpu_hw.guest.ending import ConsoleLog, GuestError, MachineProcesses
from amdgpu_hw.guest.guest_options import GuestOptions
from amdgpu_hw.guest.initramfs import first_file_system, init_script
from amdgpu_hw.guest.kernels import GuestKernel, find_kernel
from amdgpu_hw.guest.modelled_gpu import ModelledGpu, driver_parameters, end_gpu, start_gpu
from amdgpu_hw.guest.modules import ModuleSet, Prepared
from amdgpu_hw.guest.processes import Child, wait_for_socket
from amdgpu_hw.guest.qemu import Hardware, kernel_command_line, qemu_command
from amdgpu_hw.guest.shares import Share, shared_directories, start_share
from amdgpu_hw.guest.terminal import CaughtSignals
from amdgpu_hw.guest.tools import Tools, find_tools
from amdgpu_hw.session_directory import SessionDirectory

__all__ = ("Assembled", "assemble")

_EARLY = ("virtio_pci", "virtio_console", "fuse", "virtiofs", "overlay")
"""What the guest's root file system and our port need, where it is not built in."""
_BESIDE = ("vgem",)
"""What the harness makes gates of."""
_LISTEN_S = 30.0


@dataclass(frozen=True, slots=True)
class Assembled:
    """A guest machine that has been switched on."""

    kernel: GuestKernel
    accelerator: Accelerator
    modules: Sequence[tuple[Prepared, str]]
    """What is to be loaded there, in this order, and with which parameters."""
    processes: MachineProcesses
    channel: socket.socket
    """Our end of its port."""
    monitor: Path
    """Where QEMU's monitor listens."""


def assemble(
    options: GuestOptions, console: ConsoleLog, stack: contextlib.ExitStack, signals: CaughtSignals
) -> Assembled:
    """Start everything; ``stack`` ends it again, and removes what was made for it.

    Raises `HarnessError` where something is missing or does not start, `RunCutShort` where a signal came that is to
    end us.
    """
    tools = find_tools()
    kernel = find_kernel(options.linux, options.modules)
    given = {} if options.amdgpu is None else {"amdgpu": options.amdgpu.absolute()}
    modules = ModuleSet(kernel.modules, kernel.release, given, options.whole_modules)
    early = [module.path for module in modules.closure(_EARLY)]
    to_load = _modules_to_load(options, modules)
    accelerator = choose_accelerator(tools, kernel, options.accelerator)

    try:
        directory = stack.enter_context(SessionDirectory())
    except OSError as error:
        raise GuestError(f"no directory for the guest machine can be made: {error}") from None
    console.begin()
    firmware = directory / "firmware"
    firmware.mkdir()
    gpus = _start_gpus(options.gpus, directory, console.path, firmware, stack)
    shares = shared_directories(Path.cwd(), [*options.writable, console.path.parent])
    daemons = _start_daemons(tools, shares, directory, stack)
    initramfs = directory / "initramfs"
    mounts = [(share.tag, str(share.directory)) for share in shares if share.writable]
    script = init_script(mounts, _agent_command(), kernel.release, kernel.modules)
    initramfs.write_bytes(first_file_system(tools.busybox, early, script))
    _compile_package()
    ours, theirs = socket.socketpair()
    stack.callback(ours.close)
    listening = [(gpu.socket, gpu.child) for gpu in gpus]
    listening += [(share.socket(directory), child) for share, child in zip(shares, daemons, strict=True)]
    for path, child in listening:
        wait_for_socket(path, child, _LISTEN_S, signals.end_if_asked)
    monitor = directory / "monitor.sock"
    hardware = Hardware(
        accelerator.name,
        options.memory_mib,
        options.processors,
        console.path,
        [gpu.socket for gpu in gpus],
        [(share.tag, share.socket(directory)) for share in shares],
        theirs.fileno(),
        monitor,
        options.qemu_arguments,
    )
    arguments = kernel_command_line(firmware, options.kernel_arguments)
    command = qemu_command(tools, hardware, boot_image(kernel.image), initramfs, arguments)
    with theirs:
        qemu = Child("QEMU", command, directory / "qemu.log", (theirs.fileno(),))
    stack.callback(qemu.end)
    processes = MachineProcesses(qemu, [*(gpu.child for gpu in gpus), *daemons], console)
    return Assembled(kernel, accelerator, to_load, processes, ours, monitor)


def _modules_to_load(options: GuestOptions, modules: ModuleSet) -> list[tuple[Prepared, str]]:
    """The driver and what it stands on; raises `GuestError` where one is of another kernel."""
    if not options.load_driver:
        return []
    parameters = driver_parameters(options.gpus, options.parameters)
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


def _start_gpus(
    names: Sequence[str], directory: Path, console: Path, firmware: Path, stack: contextlib.ExitStack
) -> list[ModelledGpu]:
    gpus = []
    for number, name in enumerate(names):
        gpu = start_gpu(name, directory, number, console.with_suffix(f".gpu{number}.log"), firmware)
        stack.callback(end_gpu, gpu)
        gpus.append(gpu)
    return gpus


def _start_daemons(tools: Tools, shares: Sequence[Share], directory: Path, stack: contextlib.ExitStack) -> list[Child]:
    daemons = []
    for share in shares:
        child = start_share(tools.virtiofsd, share, directory)
        stack.callback(child.end)
        daemons.append(child)
    return daemons


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
