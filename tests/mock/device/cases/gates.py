# SPDX-License-Identifier: MIT
"""A gate of the simplest kind, sw_sync, for the cases."""

from __future__ import annotations

import os

from amdgpu_hw import Gpu, Queue, Submission, SyncFile, Syncobj
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.uapi import sw_sync


class Timeline:
    """A sw_sync timeline; closing it signals all its fences."""

    def __init__(self) -> None:
        self.fd = os.open(sw_sync.PATH, os.O_RDWR | os.O_CLOEXEC)
        self.last = 0

    def fence(self) -> SyncFile:
        """A fence that signals with the next call of `open`."""
        self.last += 1
        return SyncFile(ioctl(self.fd, sw_sync.IOCTL_CREATE_FENCE, value=self.last)["fence"])

    def open(self) -> None:
        """Signal all fences made so far."""
        ioctl(self.fd, sw_sync.IOCTL_INC, count=self.last)

    def close(self) -> None:
        """Give the timeline up."""
        os.close(self.fd)


class Gate:
    """A shut gate: submissions and updates that wait for `syncobj` are in flight until it is opened."""

    def __init__(self, gpu: Gpu) -> None:
        self._timeline = Timeline()
        with self._timeline.fence() as file:
            self.syncobj: Syncobj = gpu.import_sync_file(file)

    def job(self, queue: Queue) -> Submission:
        """A job that does nothing, behind the gate."""
        return queue.submit(queue.packets.nop(), wait=[self.syncobj])

    def open(self) -> None:
        """Let everything go."""
        self._timeline.open()

    def close(self) -> None:
        """Open it for good."""
        self._timeline.close()
