# SPDX-License-Identifier: MIT
"""Fences of other drivers on a buffer: nobody can promise in their place that they are done."""

from __future__ import annotations

import os

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.held import HeldFence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.uapi import dma_buf

TILE = 64 * KiB


@behaviour(
    "O12",
    "a MAP takes effect only after what another driver still does with the buffer",
    control="B16",
    needs="update_fence",
    rule="Its memory may not be there yet (row 1 of amdgpu_sync_test_fence: an unknown owner is always waited for).",
)
def test_map_waits_for_the_fence_of_another_driver(
    gpu: Gpu, shut_fence: ShutFence, must: Must, ordinary: Buffer
) -> None:
    """As when a compositor's GPU still copies into it."""
    tile = gpu.reserve(TILE)
    with shut_fence() as fence:
        if not fence.gate.is_foreign:
            raise NotTestable(
                f"needs a fence of another driver: that of a {fence.gate.name} gate is amdgpu's own",
                missing="foreign_gate",
            )
        leave_on(ordinary, fence)
        must.did("left the fence of another driver on the BO")
        update = tile.map(ordinary)
        must.not_signal(update, while_pending=fence)
    must.signal(update, after=fence)


def leave_on(buffer: Buffer, fence: HeldFence) -> None:
    """Put a fence on a buffer as a driver does that writes to it."""
    descriptor = buffer.export()
    try:
        with fence.syncobj.export_sync_file() as file:
            ioctl(descriptor, dma_buf.IOCTL_IMPORT_SYNC_FILE, flags=dma_buf.DMA_BUF_SYNC_WRITE, fd=file.fileno())
    finally:
        os.close(descriptor)
