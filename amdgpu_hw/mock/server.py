# SPDX-License-Identifier: MIT
"""The process of a mock kernel: ``python -m amdgpu_hw.mock.server``, started by `machine.Machine`.

It builds the testbed, boots the kernel with its devices, says on the ready descriptor in one line of JSON what a
client's environment needs (or what is wrong), and serves until the control descriptor ends.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from amdgpu_hw.gpu_model.gpus import IdentityError, ModelIdentity, UnknownGpu, load_identity
from amdgpu_hw.mock.board import Board
from amdgpu_hw.mock.console.server import ConsoleServer
from amdgpu_hw.mock.defaults import OPTIONAL_DEVICES
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import UnknownParameter, parse_parameter
from amdgpu_hw.mock.pci import MAX_GPUS
from amdgpu_hw.mock.planting import UnknownBug, load_bug
from amdgpu_hw.mock.preload import preload_library
from amdgpu_hw.mock.testbed.umockdev import PRELOAD, TestbedError, check_preload
from amdgpu_hw.mock.transport.client import check_memory_access
from amdgpu_hw.mock.transport.transport import ENVIRONMENT
from amdgpu_hw.mock.variants import UnknownKernel, get_variant

__all__ = ("LOG_FILE", "main")

LOG_FILE = "log"
"""The kernel's log, in the machine's directory."""

_PR_SET_PDEATHSIG = 1
_PR_SET_TIMERSLACK = 29
_DESCRIPTORS = 1 << 20
_END_TIMEOUT_S = 5


class BootError(Exception):
    """The machine cannot be built; the message is one sentence that says what to do."""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="amdgpu_hw.mock.server", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, required=True, help="the machine's private directory; removed at the end"
    )
    parser.add_argument("--gpu", action="append", required=True, help="name of a GPU; once for each")
    parser.add_argument("--kernel", required=True, help="name of the kernel variant")
    parser.add_argument("--bug", action="append", default=[], help="plant this bug in the kernel")
    parser.add_argument(
        "--parameter", type=parse_parameter, action="append", default=[], help="module parameter of amdgpu, NAME=NUMBER"
    )
    parser.add_argument("--without", action="append", default=[], choices=OPTIONAL_DEVICES, help="leave a device out")
    parser.add_argument("--gpu-time", type=float, default=1.0, help="factor of the modelled time; 0 switches it off")
    parser.add_argument("--log", type=Path, help="another file for the kernel's log")
    parser.add_argument("--ready-fd", type=int, required=True, help="where to say that the machine is ready")
    parser.add_argument("--control-fd", type=int, required=True, help="ends when the machine is to end")
    parser.add_argument("--die-with-parent", action="store_true", help="end also when the parent's thread ends")
    return parser.parse_args(argv)


class Server:
    """A booted machine."""

    def __init__(self, options: argparse.Namespace) -> None:
        gpus = [_identity(name) for name in options.gpu]
        try:
            variant = get_variant(options.kernel)
            bugs = [load_bug(name) for name in options.bug]
        except (UnknownBug, UnknownKernel) as error:
            raise BootError(str(error)) from None
        if len(gpus) > MAX_GPUS:
            raise BootError(f"a mock machine has at most {MAX_GPUS} GPUs, not {len(gpus)}")
        check_preload()
        failure = check_memory_access()
        if failure:
            raise BootError(failure)
        self._directory: Path = options.directory
        logs = [path for path in (self._directory / LOG_FILE, options.log) if path is not None]
        self.board = Board(
            self._directory,
            gpus,
            variant,
            bugs=bugs,
            parameters=dict(options.parameter),
            without=options.without,
            gpu_time=options.gpu_time,
            log_files=logs,
        )
        self.transport = self.board.transport
        self.console = ConsoleServer(self.board, self._directory)

    def environment(self) -> dict[str, str]:
        """What a client's environment has to contain."""
        library = preload_library(self._directory)
        if library is None:
            raise BootError("the preload library is not built: install this package again (pip install -e .)")
        return {
            "LD_PRELOAD": f"{library}:{PRELOAD}",
            "UMOCKDEV_DIR": str(self.board.testbed.root),
            ENVIRONMENT: str(self._directory),
        }

    def run(self, control_fd: int) -> None:
        """Serve until the control descriptor ends."""
        self.transport.watch(control_fd, self.transport.stop)
        signal.signal(signal.SIGTERM, self._end)
        # What booting made stays for good: the collector need not look at it between two system calls.
        gc.collect()
        gc.freeze()
        self.transport.run()
        self.console.close()
        self.transport.close()

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        """End in order, without an exception that would cut short the clearing up; a kernel that hangs is killed."""
        self.transport.stop()
        signal.alarm(_END_TIMEOUT_S)


def _identity(name: str) -> ModelIdentity:
    try:
        return load_identity(name)
    except (UnknownGpu, IdentityError) as error:
        raise BootError(str(error)) from None


def _end_before_boot(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _prepare_process(die_with_parent: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
    signal.signal(signal.SIGTERM, _end_before_boot)
    os.umask(0o077)  # What is in the machine's directory is for its user alone.
    libc = ctypes.CDLL(None)
    if die_with_parent:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _allow_descriptors()
    # Timers of GPUs are set to microseconds; by default the host takes up to 50 of them more.
    libc.prctl(_PR_SET_TIMERSLACK, 1)


def _allow_descriptors() -> None:
    """Each buffer that a client maps, and each open file, is one: take as many as there may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, max(most, _DESCRIPTORS)))
    except (PermissionError, ValueError):  # not root, or less is allowed on this system (fs.nr_open)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the process; exit status 0 when it was asked to end, 1 when the machine could not be built."""
    options = _arguments(argv)
    _prepare_process(options.die_with_parent)
    try:
        with os.fdopen(options.ready_fd, "w", encoding="utf-8") as ready:
            try:
                server = Server(options)
                answer = {"environment": server.environment()}
            except (BootError, TestbedError, UnknownParameter) as error:
                json.dump({"error": str(error)}, ready)
                return 1
            except OSError as error:
                json.dump({"error": f"the machine cannot be built in {options.directory}: {error}"}, ready)
                return 1
            json.dump(answer, ready)
        server.run(options.control_fd)
    finally:
        shutil.rmtree(options.directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
