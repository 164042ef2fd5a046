# SPDX-License-Identifier: MIT
"""The process behind a `Neighbour`: ``python -m amdgpu_hw.proof.neighbour_process SOCKET_FD GPU``.

It takes `OPEN` and `CLOSE`, which give it an address space on the GPU and take it away, and `SUBMIT` with a sync file:
it submits a job that waits for that, and answers with the job's fence in a sync file. Everything else that it answers
is `DONE`, or a sentence that says why not. It ends when the socket closes.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

from amdgpu_hw.discovery import select_gpu
from amdgpu_hw.errors import AmdgpuHwError, HarnessError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.helper_process import READY, run_helper
from amdgpu_hw.sync import SyncFile

__all__ = ("CLOSE", "DONE", "OPEN", "SUBMIT")

OPEN, SUBMIT, CLOSE = "open", "submit", "close"
DONE = "done"


class _Server:
    """The GPU that ``selector`` names, opened and closed as asked."""

    def __init__(self, selector: str) -> None:
        self._node = select_gpu(selector)
        self._gpu: Gpu | None = None

    def serve(self, channel: socket.socket) -> bool:
        """Handle one message; False when the other end is closed."""
        message, fds, _, _ = socket.recv_fds(channel, 4096, 1)
        if not message:
            return False
        try:
            self._handle(message.decode(), fds, channel)
        except (AmdgpuHwError, OSError) as error:
            channel.send(str(error).encode())
        return True

    def _handle(self, message: str, fds: Sequence[int], channel: socket.socket) -> None:
        if message == OPEN:
            # What it is and can do was found out when it was opened first.
            self._gpu = Gpu(self._node, self._gpu)
        elif self._gpu is None:
            raise HarnessError(f"'{message}' before '{OPEN}'")
        elif message == CLOSE:
            self._gpu.close()
        else:
            with _submit(self._gpu, fds[0]) as fence:
                socket.send_fds(channel, [DONE.encode()], [fence.fileno()])
            return
        channel.send(DONE.encode())

    def close(self) -> None:
        """Close the GPU if it is open."""
        if self._gpu is not None:
            self._gpu.close()


def _submit(gpu: Gpu, fence: int) -> SyncFile:
    """Submit a job that waits for a sync file's fence, and return its own."""
    with SyncFile(fence) as gate, gpu.import_sync_file(gate) as wait:
        job = gpu.compute.submit(gpu.compute.packets.nop(), wait=[wait])
    with job.out_syncobj as syncobj:
        return syncobj.export_sync_file()


def _work(channel: socket.socket, arguments: Sequence[str]) -> None:
    """Serve until the socket closes."""
    server = _Server(arguments[0])
    channel.send(READY)
    try:
        while server.serve(channel):
            pass
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(run_helper(sys.argv[1:], _work))
