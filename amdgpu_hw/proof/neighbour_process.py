# SPDX-License-Identifier: MIT
"""The process behind a `Neighbour`: ``python -m amdgpu_hw.proof.neighbour_process SOCKET_FD GPU``.

It opens the GPU and takes ``submit`` with a sync file: it submits a job that waits for that, and answers with the job's
fence in a sync file, or with a sentence that says why not. It ends when the socket closes.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

from amdgpu_hw.errors import AmdgpuHwError
from amdgpu_hw.gpu import Gpu, open_gpu
from amdgpu_hw.helper_process import READY, run_helper
from amdgpu_hw.sync import SyncFile

__all__ = ()


def _work(channel: socket.socket, arguments: Sequence[str]) -> None:
    """Serve until the socket closes."""
    with open_gpu(arguments[0]) as gpu:
        channel.send(READY)
        while _serve(channel, gpu):
            pass


def _serve(channel: socket.socket, gpu: Gpu) -> bool:
    """Handle one message; False when the other end is closed."""
    message, fds, _, _ = socket.recv_fds(channel, 4096, 1)
    if not message:
        return False
    try:
        with SyncFile(fds[0]) as gate, gpu.import_sync_file(gate) as wait:
            job = gpu.compute.submit(gpu.compute.packets.nop(), wait=[wait])
        with job.out_syncobj as syncobj, syncobj.export_sync_file() as fence:
            socket.send_fds(channel, [b"submitted"], [fence.fileno()])
    except (AmdgpuHwError, OSError) as error:
        channel.send(str(error).encode())
    return True


if __name__ == "__main__":
    sys.exit(run_helper(sys.argv[1:], _work))
