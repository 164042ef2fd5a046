# SPDX-License-Identifier: MIT
"""Updates of buffers whose memory is on its way elsewhere."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.foreign import leave_fence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.placement import place
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import dma_buf

TILE = 64 * KiB


@pytest.mark.parametrize("reader", [False, True], ids=["a job that lists it", "a job that is known to read it"])
@behaviour(
    "O39",
    "a MAP takes effect only after its buffer has been moved",
    control="B16",
    needs="update_fence",
    rule="What it would show before is memory that has not the buffer's content yet: a move is a KERNEL fence, and its "
    "owner is unknown (row 1 of amdgpu_sync_test_fence).",
)
def test_map_waits_for_the_move_of_its_buffer(gpu: Gpu, shut_gate: ShutGate, must: Must, reader: bool) -> None:
    """The copy waits for the job that still uses the old memory (amdgpu_copy_buffer), so it is known to be pending.

    Members of a gang, and other drivers, are known as readers.
    """
    buffer = gpu.alloc(TILE, "vram|gtt")
    tile, elsewhere = gpu.reserve(TILE), gpu.reserve(TILE)
    elsewhere.map(buffer)
    with shut_gate(gpu.compute, buffers=[] if reader else [buffer]) as job:
        if reader:
            leave_fence(buffer, job.submission, dma_buf.DMA_BUF_SYNC_READ)
        place(gpu, buffer, uapi.AMDGPU_GEM_DOMAIN_GTT)
        queue = gpu.new_context().queue(gpu.compute.engine)
        queue.submit(queue.packets.nop(), buffers=[buffer])
        must.did("had a submission move a BO that a job in flight uses")
        update = tile.map(buffer)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)
