# SPDX-License-Identifier: MIT
"""The modelled GPU's process without a guest: ``python -m bench.region_reads`` reads a register over vfio-user.

It prints its samples (us of a round trip) and the processor time (us) that the GPU's process took for one, as JSON.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.device.function import REGISTERS
from amdgpu_hw.guest.device.vfio_user import HEADER, VfioCommand
from amdgpu_hw.guest.modelled_gpu import end_gpu, start_gpu
from amdgpu_hw.guest.processes import wait_for_socket
from bench.cpu_time import processor_ns

__all__ = ("main",)

LISTEN_S = 30.0
ACCESS = struct.Struct("<QII")
"""Offset, region, bytes."""
WARM_UP = 200


class RegionReader:
    """As much of QEMU as reads registers."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(LISTEN_S)
        self._socket.connect(str(path))
        self._call(VfioCommand.VERSION, struct.pack("<HH", 0, 0) + b'{"capabilities":{}}\0')

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def read(self, byte: int) -> int:
        """Read a register."""
        reply = self._call(VfioCommand.REGION_READ, ACCESS.pack(byte, REGISTERS, 4))
        return int.from_bytes(reply[ACCESS.size :], "little")

    def _call(self, command: VfioCommand, body: bytes) -> bytes:
        self._socket.sendall(HEADER.pack(1, command, HEADER.size + len(body), 0, 0) + body)
        reply = self._socket.recv(1 << 16)
        *_, number = HEADER.unpack_from(reply)
        if number:
            raise HarnessError(f"the modelled GPU refused {command.name} with errno {number}")
        return reply[HEADER.size :]


def main() -> None:
    """Print the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", required=True)
    parser.add_argument("--register", type=int, required=True)
    parser.add_argument("--samples", type=int, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="amdgpu-hw-") as scratch:
        directory = Path(scratch)
        gpu = start_gpu(options.gpu, directory, 0, directory / "gpu.log", directory / "firmware")
        try:
            wait_for_socket(gpu.socket, gpu.child, LISTEN_S, lambda: None)
            client = RegionReader(gpu.socket)
            for _ in range(WARM_UP):
                client.read(4 * options.register)
            samples, before = [], processor_ns(gpu.child.pid)
            for _ in range(options.samples):
                start = time.perf_counter_ns()
                client.read(4 * options.register)
                samples.append((time.perf_counter_ns() - start) / 1000)
            taken = (processor_ns(gpu.child.pid) - before) / 1000 / options.samples
            client.close()
        finally:
            end_gpu(gpu)
    json.dump({"round trip": samples, "processor": taken}, sys.stdout)


if __name__ == "__main__":
    main()
