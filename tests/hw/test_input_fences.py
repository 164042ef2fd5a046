# SPDX-License-Identifier: MIT
"""Input fences of GEM_VA: an update takes effect after them, whichever way the kernel waits.

Before the series the ioctl itself blocks until they have signalled, uninterruptibly; with it the ioctl returns and the
page-table jobs wait. Every such call therefore runs in a thread of its own here.
"""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence, ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import BackgroundCall

TILE = 64 * KiB
FENCES = ("input_fence", "update_fence")
SERIES = ("explicit_sync", *FENCES)
ASYNCHRONOUS = "With the series the page-table jobs wait for input fences, not the caller (patch 1)."


@behaviour("B23", "a REPLACE takes effect only after its input fence", needs=FENCES)
def test_replace_takes_effect_after_its_input_fence(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """Sparse binding that follows a semaphore: memory must not move before the work that the semaphore stands for."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: tile.replace_prt(inputs=[fence.syncobj]))
        must.did("REPLACE by PRT with a pending input fence")
        must.not_signal(call, for_=ms(100), while_pending=fence)
    must.signal(call, after=fence)


@behaviour(
    "B23a", "GEM_VA does not make the caller wait for input fences", control="B23", needs=SERIES, rule=ASYNCHRONOUS
)
def test_caller_does_not_wait_for_input_fences(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """A thread that queues bindings must be free to go on; the semaphore may come from another process."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: tile.replace_prt(inputs=[fence.syncobj]))
        must.come_back(call, within=ms(500), while_pending=fence)
        must.not_signal(call, for_=ms(100), while_pending=fence)
    must.signal(call, after=fence)


@behaviour(
    "B24",
    "an explicit REPLACE waits for its input fence and for nothing else",
    control="B05",
    needs=SERIES,
    rule="Explicit means: the fences that are given, and only those.",
)
def test_explicit_replace_waits_for_its_input_fence_alone(
    gpu: Gpu, shut_gate: ShutGate, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """Two gates: J is in flight all the time, the input fence goes first."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job, shut_fence() as fence:
        call = BackgroundCall(lambda: tile.replace_prt(explicit_sync=True, inputs=[fence.syncobj]))
        must.not_signal(call, for_=ms(100), while_pending=fence)
        fence.open()
        must.signal(call, within=ms(500), while_pending=job)


@behaviour("B25", "a MAP takes effect only after its input fence", control="B16", needs=FENCES)
def test_map_takes_effect_after_its_input_fence(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """Not only what takes something away: the order of binds is the application's."""
    tile = gpu.reserve(TILE)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: tile.map(always_valid, inputs=[fence.syncobj]))
        must.did("MAP of an always-valid BO with a pending input fence")
        must.not_signal(call, for_=ms(100), while_pending=fence)
    must.signal(call, after=fence)


@behaviour(
    "B30",
    "the update fence of an update without page-table work still covers its input fence",
    control="B23",
    needs=FENCES,
    rule="Who waits for the update fence must be able to rely on the input fence too, as on every kernel before.",
    finding=(
        "F4: input fences are only dependencies of page-table jobs, so without a job they are dropped (patch 1, "
        "amdgpu_gem_add_input_fence)."
    ),
)
def test_clear_of_nothing_still_waits_for_its_input_fence(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """CLEAR of an empty range has nothing to do, but it has been told what to wait for."""
    empty = gpu.reserve(TILE)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: empty.clear(inputs=[fence.syncobj]))
        must.did("CLEAR of an empty range with a pending input fence")
        must.not_signal(call, for_=ms(100), while_pending=fence)
    must.signal(call, after=fence)
