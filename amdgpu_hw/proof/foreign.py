# SPDX-License-Identifier: MIT
"""Work of another driver on a buffer: a fence that amdgpu finds in the buffer's reservation object and did not make."""

from __future__ import annotations

import os

from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.memory import Buffer
from amdgpu_hw.proof.held import HeldFence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.submit import Submission
from amdgpu_hw.sync import SyncFile
from amdgpu_hw.uapi import dma_buf

__all__ = ("leave_fence", "leave_file", "leave_foreign_fence")


def leave_foreign_fence(buffer: Buffer, fence: HeldFence, must: Must, usage: int = dma_buf.DMA_BUF_SYNC_WRITE) -> None:
    """Put a held fence on a buffer as a driver does that writes to it, or reads (DMA_BUF_IOCTL_IMPORT_SYNC_FILE).

    Raises `NotTestable` where the gate holds it with amdgpu's own work: amdgpu_sync_test_fence knows the owner of such
    a fence, and does not wait for what it would wait for with another driver's.
    """
    if not fence.gate.is_foreign:
        raise NotTestable(
            f"needs a fence of another driver: that of a {fence.gate.name} gate is amdgpu's own", missing="foreign_gate"
        )
    with fence.syncobj.export_sync_file() as file:
        leave_file(buffer, file, usage)
    must.did("left the fence of another driver on the BO")


def leave_fence(buffer: Buffer, job: Submission, usage: int) -> None:
    """Put a job's fence on a buffer that it did not list, as a reader's or a writer's (DMA_BUF_SYNC_*)."""
    with job.out_syncobj as syncobj, syncobj.export_sync_file() as file:
        leave_file(buffer, file, usage)


def leave_file(buffer: Buffer, file: SyncFile, usage: int) -> None:
    """Put all fences of a sync file on a buffer, as readers' or writers' (DMA_BUF_SYNC_*)."""
    descriptor = buffer.export()
    try:
        ioctl(descriptor, dma_buf.IOCTL_IMPORT_SYNC_FILE, flags=usage, fd=file.fileno())
    finally:
        os.close(descriptor)
