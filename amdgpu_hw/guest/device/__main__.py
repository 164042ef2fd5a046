# SPDX-License-Identifier: MIT
"""Serves one modelled GPU on one UNIX socket until it is killed.

python -m amdgpu_hw.guest.device --socket PATH --gpu NAME [--vram MIB] [--log FILE] [--firmware DIRECTORY]
"""

from __future__ import annotations

import argparse
import select
import signal
import sys
import time
from pathlib import Path

from amdgpu_hw.gpu_model.gpus import IdentityError, UnknownGpu, load_identity

from .firmware import write_firmware
from .function import SLICE, PciFunction
from .gpu import GENERATIONS
from .log import MachineLog

VRAM_MIB = 1024
LEAST_MIB = 256


def serve(function: PciFunction, control: int = -1) -> None:
    """Answer the client and let the GPU work, until the other end of the pipe ``control`` is closed."""
    gpu, server = function.gpu, function.server
    poller = select.poll()
    watched = -1
    if control >= 0:
        poller.register(control, select.POLLIN)
    while True:
        if watched < 0:
            watched = server.fileno()
            poller.register(watched, select.POLLIN)
        gpu.timers.run_due(time.monotonic_ns())
        busy = gpu.work.run(SLICE)
        timeout: float | None = None
        if busy:
            timeout = 0
        else:
            deadline = gpu.timers.next_deadline()
            if deadline is not None:
                timeout = max(0, (deadline - time.monotonic_ns()) / 1_000_000)
        ready = [fd for fd, _ in poller.poll(timeout)]
        if control in ready:
            return
        if watched in ready:
            server.serve_one()
            if server.fileno() != watched:
                poller.unregister(watched)
                watched = -1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m amdgpu_hw.guest.device", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--socket", required=True, help="UNIX socket to listen on; made new")
    parser.add_argument("--gpu", required=True, help=f"one of {', '.join(sorted(GENERATIONS))}")
    parser.add_argument(
        "--vram", type=int, default=0, help=f"MiB of VRAM; by default what the GPU has, but at most {VRAM_MIB}"
    )
    parser.add_argument("--log", type=Path, help="the machine's log; by default standard error")
    parser.add_argument("--firmware", type=Path, help="write the firmware files that the driver asks for there first")
    parser.add_argument("--control-fd", type=int, default=-1, help="end when the other end of this pipe is closed")
    return parser.parse_args()


def main() -> int:
    """Serve until killed; 2 and one sentence if that cannot begin."""
    arguments = _arguments()
    try:
        identity = load_identity(arguments.gpu)
        if arguments.gpu not in GENERATIONS:
            raise UnknownGpu(
                f"the GPU '{arguments.gpu}' cannot be put into a guest; these can: {', '.join(sorted(GENERATIONS))}"
            )
        vram = arguments.vram or min(identity.memory.vram >> 20, VRAM_MIB)
        if not LEAST_MIB <= vram <= identity.memory.vram >> 20:
            raise ValueError(
                f"--vram {vram}: a {arguments.gpu} has between {LEAST_MIB} and {identity.memory.vram >> 20} MiB"
            )
        if arguments.firmware:
            write_firmware(arguments.firmware, arguments.gpu)
        stream = arguments.log.open("w", encoding="utf-8") if arguments.log else sys.stderr
        function = PciFunction(identity, vram << 20, arguments.socket, MachineLog(stream))
    except (UnknownGpu, IdentityError, ValueError, OSError) as error:
        print(f"guest device: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGUSR1, lambda _number, _frame: function.gpu.tell_state())
    print("listening", flush=True)
    try:
        serve(function, arguments.control_fd)
    except _Stopped:
        return 0
    finally:
        function.close()
    return 0


class _Stopped(Exception):
    """A signal has asked for the end."""


def _stop(_number: int, _frame: object) -> None:
    raise _Stopped


if __name__ == "__main__":
    sys.exit(main())
