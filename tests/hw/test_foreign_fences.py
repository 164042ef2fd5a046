# SPDX-License-Identifier: MIT
"""Fences of other drivers on a buffer: nobody can promise in their place that they are done."""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.foreign import leave_foreign_fence
from amdgpu_hw.proof.must import Must

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
