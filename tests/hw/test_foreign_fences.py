# SPDX-License-Identifier: MIT
"""Fences that others leave on a buffer: nobody can promise in their place that they are done."""

from __future__ import annotations

import os

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.foreign import leave_foreign_fence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import SyncFile
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
        leave_foreign_fence(ordinary, fence, must)
        update = tile.map(ordinary)
        must.not_signal(update, while_pending=fence)
    must.signal(update, after=fence)


@behaviour(
    "O77",
    "a buffer stays busy until its last job is done, although an older fence of the same queue is put on it",
    rule="An older fence must not take the place of a later one of its context (dma_resv_add_fence).",
)
def test_an_older_fence_does_not_replace_a_newer(gpu: Gpu, shut_fence: ShutFence, must: Must, ordinary: Buffer) -> None:
    """As a compositor does that imports its client's fence late."""
    queue = gpu.compute
    nop = queue.packets.nop()
    descriptor = ordinary.export()
    try:
        with shut_fence() as second:
            with shut_fence() as first:
                before = queue.submit(nop, buffers=[ordinary], wait=[first.syncobj])
                answer = ioctl(descriptor, dma_buf.IOCTL_EXPORT_SYNC_FILE, flags=dma_buf.DMA_BUF_SYNC_RW)
                with SyncFile(answer["fd"]) as older:
                    last = queue.submit(nop, buffers=[ordinary], wait=[second.syncobj])
                    ioctl(
                        descriptor, dma_buf.IOCTL_IMPORT_SYNC_FILE, flags=dma_buf.DMA_BUF_SYNC_WRITE, fd=older.fileno()
                    )
            must.did(f"put the fence of {before} on a BO behind that of {last}, which waits for a pending fence")
            must.signal(before, after=first)
            idle = ordinary.wait_idle(ms(20))
            must.not_signal(last, at_most=ms(5), while_pending=second)
            must.be(
                not idle,
                seen="the BO was busy all the time",
                otherwise=f"the BO was idle with {last} pending, which lists it: the older fence took its place",
                kind="fence",
            )
        must.signal(last, after=second)
    finally:
        os.close(descriptor)
