# SPDX-License-Identifier: MIT
"""Closing a buffer while an update waits for its input fence: how long the memory stays.

Closing queues the clearing of the buffer's mappings behind that update, and the memory cannot go before (O7). What is
seen of the memory is noted, not judged: other processes allocate and free as well. The wiping of freed VRAM is one
queue of the whole device, so others who allocate VRAM meanwhile wait with it (KERNEL.md E2).
"""

from __future__ import annotations

import time

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB, MiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import duration, ms, size
from amdgpu_hw.proof.usage import vram_usage
from amdgpu_hw.sync import BackgroundCall

TILE = 64 * KiB
SIZE = 16 * MiB


@behaviour(
    "O7",
    "closing a buffer returns at once although an update waits for its input fence",
    needs=("explicit_sync", "update_fence", "input_fence"),
    rule="GEM_CLOSE queues page-table work, it does not wait for it (KERNEL.md 3.8).",
    stalls=True,
)
def test_closing_a_buffer_does_not_wait_for_an_input_fence(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """An application that frees memory must not hang on somebody's semaphore."""
    buffer = gpu.alloc(SIZE, domain="vram", cpu_access=False)
    mapped, other = gpu.reserve(SIZE), gpu.reserve(TILE)
    mapped.map(buffer)
    with shut_fence() as fence:
        before = vram_usage(gpu)
        update = BackgroundCall(lambda: other.map(always_valid, inputs=[fence.syncobj]))
        must.come_back(update, while_pending=fence)
        must.did(f"MAP with a pending input fence, then GEM_CLOSE of {size(SIZE)} of VRAM")
        must.come_back(BackgroundCall(buffer.close), what="GEM_CLOSE", within=ms(500), while_pending=fence)
        must.not_signal(update, at_most=ms(50), while_pending=fence)
        must.note(f"{size(SIZE)} of VRAM are {'freed already' if before - vram_usage(gpu) >= SIZE else 'still in use'}")
    must.signal(update, after=fence)
    opened = time.monotonic_ns()
    while before - vram_usage(gpu) < SIZE and time.monotonic_ns() - opened < ms(500):
        time.sleep(0.002)
    gone = before - vram_usage(gpu) >= SIZE
    must.note(f"{'freed' if gone else 'not freed'} {duration(time.monotonic_ns() - opened)} after the gate had opened")
