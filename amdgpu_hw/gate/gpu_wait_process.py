# SPDX-License-Identifier: MIT
"""The process behind gpu-wait gates: ``python -m amdgpu_hw.gate.gpu_wait_process SOCKET_FD GPU``.

It takes ``shut NUMBER NANOSECONDS`` (answered with a sync file, or a sentence why not) and ``open NUMBER``. A job that
is not let go in time is let go here, as all are when the socket closes: nobody can leave the GPU waiting.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from amdgpu_hw.errors import AmdgpuHwError, GateError
from amdgpu_hw.gpu import Gpu, open_gpu
from amdgpu_hw.helper_process import READY, run_helper
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.packets import Engine, Pm4
from amdgpu_hw.submit import Queue, Submission
from amdgpu_hw.sync import SyncFile
from amdgpu_hw.uapi import amdgpu_drm as uapi

__all__ = ()

# One cache line per flag.
_STRIDE = 64


@dataclass(slots=True)
class _Waiting:
    """A job that waits for its flag."""

    submission: Submission
    queue: Queue
    flag: int
    deadline_ns: int


class _Jobs:
    """The waiting jobs of one GPU, one per spare compute ring."""

    def __init__(self, gpu: Gpu) -> None:
        # Ring 0 is left to the tests, whose jobs must not queue up behind a waiting one.
        rings = gpu.capabilities.rings[Engine.COMPUTE].rings[1:]
        if not rings:
            raise GateError("the GPU has no second compute ring, and on the first the tests' own jobs would wait too")
        self._context = gpu.new_context()
        self._queues = [self._context.queue(Engine.COMPUTE, ring) for ring in reversed(rings)]
        self._flags: Buffer = gpu.alloc(PAGE_SIZE, domain="gtt", always_valid=True)
        self._flags.fill(0)
        self._range = gpu.reserve(PAGE_SIZE)
        # Uncached: the CP polls through L2, which on GFX11 and GFX12 keeps a line of the default MTYPE whatever the
        # CPU writes behind it.
        self._range.map(self._flags, mtype=uapi.AMDGPU_VM_MTYPE_UC)
        self._waiting: dict[int, _Waiting] = {}

    def shut(self, number: int, hold_ns: int) -> SyncFile:
        """Submit a waiting job and return its fence, which the caller closes."""
        busy = {job.queue.ring for job in self._waiting.values() if not job.submission.signaled()}
        queue = next((queue for queue in self._queues if queue.ring not in busy), None)
        if queue is None or not isinstance(queue.packets, Pm4):
            raise GateError(f"all {len(self._queues)} spare compute rings hold a gate already")
        flag = queue.ring * _STRIDE
        self._flags.write_u32(0, flag)
        submission = queue.submit(queue.packets.wait_reg_mem(self._range.va + flag, 1))
        self._waiting[number] = _Waiting(submission, queue, flag, time.monotonic_ns() + hold_ns)
        with submission.out_syncobj as syncobj:
            return syncobj.export_sync_file()

    def open(self, number: int) -> None:
        """Let a job go; unknown and finished ones are fine."""
        job = self._waiting.pop(number, None)
        if job is not None:
            self._flags.write_u32(1, job.flag)
            job.submission.wait()

    def open_due(self) -> None:
        """Let those go whose time is up."""
        now = time.monotonic_ns()
        for number in [number for number, job in self._waiting.items() if job.deadline_ns <= now]:
            self.open(number)

    def open_all(self) -> None:
        """Let every job go."""
        for number in list(self._waiting):
            self.open(number)

    @property
    def seconds_left(self) -> float | None:
        """Until `open_due` has something to do, None if nothing waits."""
        deadlines = [job.deadline_ns for job in self._waiting.values()]
        return max(0.0, (min(deadlines) - time.monotonic_ns()) / 1e9) if deadlines else None


def _work(channel: socket.socket, arguments: Sequence[str]) -> None:
    """Serve until the socket closes."""
    with open_gpu(arguments[0]) as gpu:
        jobs = _Jobs(gpu)
        channel.send(READY)
        try:
            while _serve(channel, jobs):
                jobs.open_due()
        finally:
            jobs.open_all()


def _serve(channel: socket.socket, jobs: _Jobs) -> bool:
    """Handle one message, or let time pass; False when the other end is closed."""
    readable, _, _ = select.select([channel], [], [], jobs.seconds_left)
    if not readable:
        return True
    message = channel.recv(4096).decode()
    if not message:
        return False
    command, number, *rest = message.split()
    if command == "open":
        jobs.open(int(number))
        return True
    try:
        with jobs.shut(int(number), int(rest[0])) as fence:
            socket.send_fds(channel, [b"shut"], [fence.fileno()])
    except (AmdgpuHwError, OSError) as error:
        channel.send(str(error).encode())
    return True


if __name__ == "__main__":
    sys.exit(run_helper(sys.argv[1:], _work))
