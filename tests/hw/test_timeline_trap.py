# SPDX-License-Identifier: MIT
"""Update fences on a timeline that also has other work on it."""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import SyncPoint

TILE = 64 * KiB


@behaviour(
    "B44",
    "a point of a timeline waits for the earlier ones, even if its own update has taken effect",
    control="B06",
    needs=("explicit_sync", "update_fence", "timeline_syncobj"),
    rule="A timeline is a chain of fences (dma_fence_chain): an explicit update gains nothing behind a slow point.",
)
def test_timeline_hides_an_explicit_update(gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer) -> None:
    """Point 1 is a job that waits for J, point 2 the update; a MAP behind that shows that it is done."""
    tile, behind = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(always_valid)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with gpu.syncobj() as timeline, shut_gate(gpu.compute) as job:
        with job.submission.out_syncobj as in_flight:
            slow = queue.submit(queue.packets.nop(), wait=[in_flight], signal=[(timeline, 1)])
        update = tile.replace_prt(explicit_sync=True, out=SyncPoint(timeline, 2))
        must.signal(behind.map_prt(), within=ms(500), while_pending=job)
        must.not_signal(update, while_pending=job)
        job.open()
        must.signal(update, after=job)
        must.signal(slow, after=job)
