# SPDX-License-Identifier: MIT
"""The process behind a `Neighbour`: ``python -m amdgpu_hw.proof.neighbour_process SOCKET_FD GPU``.

It takes `OPEN` and `CLOSE`, which give it an address space on the GPU and take it away, and `SUBMIT` with a sync file
and maybe a dma-buf: it submits a job that waits for the one and lists the other, and answers with the job's fence in a
sync file. `LOCK` comes with a sync file and
a dma-buf: it moves that buffer to system memory, in a submission that sleeps in the kernel with the buffer locked until
the sync file's fence signals. `MOVE` with a dma-buf does the same and does not sleep. `SHARE` with a size answers with
the dma-buf of a buffer of its own. `FAULT` makes the GPU read where nothing is mapped, and answers with the page and
with that of the last fault, `TELL_FAULT` with the latter alone. Everything else that it answers is `DONE`, or a
sentence that says why not. It ends when the socket closes.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

from amdgpu_hw.discovery import select_gpu
from amdgpu_hw.errors import AmdgpuHwError, HarnessError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.helper_process import READY, run_helper
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.proof.absence import Absence, page_of
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.asleep import comes_to_sleep
from amdgpu_hw.proof.placement import place
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import Submission
from amdgpu_hw.sync import BackgroundCall, SyncFile
from amdgpu_hw.uapi import amdgpu_drm as uapi

__all__ = ("CLOSE", "DONE", "FAULT", "LOCK", "MOVE", "OPEN", "SHARE", "SUBMIT", "TELL_FAULT")

OPEN, SUBMIT, LOCK, MOVE, SHARE, CLOSE = "open", "submit", "lock", "move", "share", "close"
FAULT, TELL_FAULT = "fault", "tell fault"
DONE = "done"

_JOBS_PER_ENTITY = 32
"""With so many unfinished the next submission sleeps (amdgpu_ctx_wait_prev_fence), with everything locked."""
_LONGEST_S = 2.0


class _Server:
    """The GPU that ``selector`` names, opened and closed as asked."""

    def __init__(self, selector: str) -> None:
        self._node = select_gpu(selector)
        self._gpu: Gpu | None = None
        self._locking: BackgroundCall[Submission] | None = None

    def serve(self, channel: socket.socket) -> bool:
        """Handle one message; False when the other end is closed."""
        message, fds, _, _ = socket.recv_fds(channel, 4096, 2)
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
            self.close()
        elif message == LOCK:
            self._lock(self._gpu, SyncFile(fds[0]), fds[1])
        elif message == MOVE:
            _move(self._gpu, fds[0])
        elif message == FAULT:
            read = _fault(self._gpu)
            channel.send(f"{DONE} {read:x} {_told_fault(self._gpu):x}".encode())
            return
        elif message == TELL_FAULT:
            channel.send(f"{DONE} {_told_fault(self._gpu):x}".encode())
            return
        elif message.startswith(SHARE):
            descriptor = self._gpu.alloc(int(message.split()[1])).export()
            try:
                socket.send_fds(channel, [DONE.encode()], [descriptor])
            finally:
                os.close(descriptor)
            return
        else:
            with _submit(self._gpu, fds[0], fds[1:]) as fence:
                socket.send_fds(channel, [DONE.encode()], [fence.fileno()])
            return
        channel.send(DONE.encode())

    def _lock(self, gpu: Gpu, gate: SyncFile, dma_buf: int) -> None:
        """Fill a queue with jobs that wait for ``gate``, and have one more submission sleep with the buffer locked."""
        buffer, queue = _to_be_moved(gpu, dma_buf), gpu.compute
        with gate, gpu.import_sync_file(gate) as wait:
            for _ in range(_JOBS_PER_ENTITY):
                queue.submit(queue.packets.nop(), wait=[wait], may_block=True)
        self._locking = BackgroundCall(lambda: queue.submit(queue.packets.nop(), buffers=[buffer], may_block=True))
        if not comes_to_sleep(self._locking):
            raise HarnessError(f"a submission behind {_JOBS_PER_ENTITY} unfinished jobs of its queue does not sleep")

    def close(self) -> None:
        """Close the GPU if it is open; what its jobs wait for must have signalled."""
        if self._locking is not None:
            self._locking.wait(ms(1e3 * _LONGEST_S))
            self._locking = None
        if self._gpu is not None:
            self._gpu.close()


def _to_be_moved(gpu: Gpu, dma_buf: int) -> Buffer:
    """Import a buffer; the next submission that lists it moves it to system memory."""
    try:
        buffer = gpu.import_buffer(dma_buf)
    finally:
        os.close(dma_buf)
    place(gpu, buffer, uapi.AMDGPU_GEM_DOMAIN_GTT)
    return buffer


def _move(gpu: Gpu, dma_buf: int) -> None:
    """Move a buffer to system memory."""
    with _to_be_moved(gpu, dma_buf) as buffer:
        queue = gpu.compute
        if not queue.submit(queue.packets.nop(), buffers=[buffer]).wait():
            raise HarnessError("a submission that moves a buffer is not done after 5 s")


def _fault(gpu: Gpu) -> int:
    """Have the GPU read where nothing is mapped, and wait until that is told; the page it read."""
    view = GpuView(gpu)
    with gpu.reserve(PAGE_SIZE) as nowhere:
        Absence(gpu, view).is_absent(nowhere.va)
        return page_of(nowhere.va)


def _told_fault(gpu: Gpu) -> int:
    fault = gpu.last_vm_fault()
    return page_of(fault["addr"]) if fault is not None else 0


def _submit(gpu: Gpu, fence: int, dma_bufs: Sequence[int]) -> SyncFile:
    """Submit a job that waits for a sync file's fence and lists buffers, and return its own fence."""
    buffers = []
    for dma_buf in dma_bufs:
        try:
            buffers.append(gpu.import_buffer(dma_buf))
        finally:
            os.close(dma_buf)
    with SyncFile(fence) as gate, gpu.import_sync_file(gate) as wait:
        job = gpu.compute.submit(gpu.compute.packets.nop(), buffers=buffers, wait=[wait])
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
