# SPDX-License-Identifier: MIT
"""A process that is killed in the middle of updates: ``python -m amdgpu_hw.proof.doomed_process SOCKET_FD GPU BYTES``.

It maps so many bytes of memory. On ``explicit`` or ``plain``, which comes with a fence, it submits a job that waits for
the fence and takes the memory out again tile by tile. Then it says so and waits to be killed. It does not outlive its
parent, nor that word by `_LONGEST_S`, whatever happens.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import sys
from collections.abc import Sequence

from amdgpu_hw.address_space import SyncOptions
from amdgpu_hw.gpu import open_gpu
from amdgpu_hw.helper_process import READY, run_helper
from amdgpu_hw.memory import KiB
from amdgpu_hw.sync import SyncFile

__all__ = ("DONE",)

DONE = b"done"
"""What it sends when all is submitted."""

TILE = 64 * KiB
_TILES = 16
_LONGEST_S = 30
_PR_SET_PDEATHSIG = 1


def _work(channel: socket.socket, arguments: Sequence[str]) -> None:
    """Map, wait for the word, unmap under a pending job, and wait for the end."""
    with open_gpu(arguments[0]) as gpu:
        memory = gpu.alloc(int(arguments[1]), always_valid=True)
        tiles = gpu.reserve(memory.size)
        tiles.map(memory)
        gpu.compute.submit(gpu.compute.packets.nop()).wait()
        channel.send(READY)
        word, fds, _, _ = socket.recv_fds(channel, 16, 1)
        signal.alarm(_LONGEST_S)
        explicit = word == b"explicit"
        sync: SyncOptions = {"explicit_sync": explicit, "out": None}
        with SyncFile(fds[0]) as file:
            fence = gpu.import_sync_file(file)
        gpu.compute.submit(gpu.compute.packets.nop(), wait=[fence])
        for index in range(_TILES):
            tile = tiles.part(index * TILE, TILE)
            tile.replace_prt(**sync)
            if index % 2:
                tile.clear(**sync)
        if explicit:
            # This one is pending itself; the others are done at once. Without the flag all of them are pending.
            sync["inputs"] = [fence]
            tiles.part(_TILES * TILE, TILE).replace_prt(**sync)
        channel.send(DONE)
        channel.recv(1)


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.exit(run_helper(sys.argv[1:], _work))
