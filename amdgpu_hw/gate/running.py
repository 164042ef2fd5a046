# SPDX-License-Identifier: MIT
"""A gate inside a job: it has started, and polls a flag in memory until that is written.

Other gates hold a job back before it starts (KERNEL.md 6.1). What has started has a signalled scheduled fence and
occupies a ring, so that only this gate tells a kernel that waits until jobs are scheduled from one that waits until
they are done. It is bounded by the watchdog, and if the process is killed by the job timeout: for where the GPU may
hang only.
"""

from __future__ import annotations

import time

from amdgpu_hw.errors import GateError
from amdgpu_hw.gate.base import Gate
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.packets import Pm4
from amdgpu_hw.submit import Queue, Submission
from amdgpu_hw.sync import SyncFile
from amdgpu_hw.uapi import dma_buf

__all__ = ("PollingJob", "RunningJobGate")

_STARTED, _GO_ON = 0, 64  # bytes: a cache line for each flag
_START_NS = 400_000_000


class RunningJobGate(Gate):
    """The flag that a `PollingJob` polls."""

    name = "a flag that the job polls"
    longest_hold_ns = 450_000_000

    def __init__(self, flags: Buffer, fence: SyncFile, purpose: str) -> None:
        self._flags = flags
        super().__init__(fence, self.longest_hold_ns, purpose)

    def _signal(self) -> None:
        self._flags.write_u32(1, _GO_ON)

    def _release(self) -> None:
        pass  # the buffer is its maker's


class PollingJob:
    """What a job on ``queue`` executes that starts, says so and waits; submit it with `buffers`, then `watch` it."""

    def __init__(self, gpu: Gpu, queue: Queue) -> None:
        if not isinstance(queue.packets, Pm4):
            raise GateError(f"{queue} cannot poll memory")
        self._flags = gpu.alloc(PAGE_SIZE)
        self._flags.fill(0)
        place = gpu.reserve(PAGE_SIZE)
        place.map(self._flags)
        packets = queue.packets
        self.queue = queue
        self.dwords = [
            *packets.write_data(place.va + _STARTED, [1]),
            *packets.wait_reg_mem(place.va + _GO_ON, 1),
        ]
        """Its IB."""
        self.buffers = (self._flags,)
        """What its submission has to list, and no other may: their fences are the submission's."""

    def watch(self, submission: Submission) -> RunningJobGate:
        """The gate that ends it, once it has started; raises `GateError` if it does not."""
        try:
            gate = RunningJobGate(self._flags, self._fences(), f"a running job on {self.queue}")
        except BaseException:
            self._flags.write_u32(1, _GO_ON)
            raise
        end = time.monotonic_ns() + _START_NS
        while not self._flags.read_u32(_STARTED):
            if time.monotonic_ns() > end:
                gate.close()
                raise GateError(f"{submission} has not started {_START_NS / 1e6:g} ms after it was submitted")
            time.sleep(0.0005)
        return gate

    def _fences(self) -> SyncFile:
        """The fences of all members of the submission, which has no other way to name them than a buffer."""
        return self._flags.export_sync_file(dma_buf.DMA_BUF_SYNC_WRITE)
