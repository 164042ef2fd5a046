# SPDX-License-Identifier: MIT
"""The order of updates: page-table jobs of one address space run one after the other.

They share one scheduler entity (`vm->delayed`), so an update that waits holds up all later ones, whatever those
themselves have to wait for. That bounds what explicit sync can do (F14 in docs/findings.md), and it is what makes
the last update fence cover all updates.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import Range, Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.asleep import comes_to_sleep
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence, ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import Inconclusive
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import SCHED_JOBS
from amdgpu_hw.sync import BackgroundCall

TILE = 64 * KiB
SERIES = ("explicit_sync", "update_fence", "input_fence")
IN_ORDER = "Page-table jobs of one address space are carried out in order (amdgpu_vm_init: vm->delayed)."


@behaviour(
    "B13",
    "an explicit UNMAP behind a plain one of an ordinary BO waits with it for work in flight",
    control="B07",
    needs=("explicit_sync", "update_fence"),
    rule=IN_ORDER,
)
def test_explicit_unmap_does_not_overtake_a_plain_one(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, ordinary: Buffer
) -> None:
    """Alone it would not wait (B07): who mixes both kinds loses the benefit of the flag until the plain one is done."""
    first, second = gpu.reserve(TILE), gpu.reserve(TILE)
    first.map(ordinary)
    second.map(always_valid)
    with shut_gate(gpu.compute) as job:
        plain = first.unmap(ordinary)
        explicit = second.unmap(always_valid, explicit_sync=True)
        must.not_signal(explicit, while_pending=job)
    must.signal(plain, after=job)
    must.signal(explicit, after=job)


@pytest.mark.parametrize(
    "update",
    [
        pytest.param(lambda tile, buffer: tile.part(TILE, TILE).map(buffer), id="MAP"),
        pytest.param(lambda tile, buffer: tile.part(0, TILE).replace_prt(explicit_sync=True), id="explicit REPLACE"),
    ],
)
@behaviour(
    "O4",
    "an update behind one with a pending input fence waits with it",
    control=("B16", "B06"),
    needs=SERIES,
    rule=IN_ORDER,
)
def test_update_waits_for_the_input_fence_of_an_earlier_one(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, update: Callable[[Range, Buffer], Update]
) -> None:
    """One semaphore that comes late holds up every binding behind it."""
    tiles, earlier = gpu.reserve(2 * TILE), gpu.reserve(TILE)
    tiles.part(0, TILE).map(always_valid)
    with shut_fence() as fence:
        first = BackgroundCall(lambda: earlier.map(always_valid, inputs=[fence.syncobj]))
        must.come_back(first, while_pending=fence)
        second = BackgroundCall(lambda: update(tiles, always_valid))
        must.come_back(second, while_pending=fence)
        must.not_signal(second, while_pending=fence)
    must.signal(first, after=fence)
    must.signal(second, after=fence)


@behaviour(
    "O4",
    "an update whose own input fence has signalled still waits for that of an earlier one",
    control="B25",
    needs=SERIES,
    rule=IN_ORDER,
)
def test_signalled_input_fence_does_not_overtake(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """Two semaphores that come in the other order."""
    earlier, later = gpu.reserve(TILE), gpu.reserve(TILE)
    with shut_fence() as first, shut_fence() as second:
        one = BackgroundCall(lambda: earlier.map(always_valid, inputs=[first.syncobj]))
        must.come_back(one, while_pending=first)
        two = BackgroundCall(lambda: later.map(always_valid, inputs=[second.syncobj]))
        must.come_back(two, while_pending=first)
        second.open()
        must.not_signal(two, while_pending=first)
    must.signal(one, after=first)
    must.signal(two, after=first)


@behaviour(
    "O5",
    "an update with a pending input fence has changed the mapping tree when the call returns",
    control="B25",
    needs=SERIES,
    rule="The tree is what the next call is checked against; only the page tables follow later (KERNEL.md 3.4).",
)
def test_mapping_tree_is_ahead_of_the_input_fence(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """A thread may queue one binding on the other without waiting for any."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_fence() as fence:
        call = BackgroundCall(lambda: tile.replace_prt(inputs=[fence.syncobj]))
        must.come_back(call, while_pending=fence)
        must.answer(
            "MAP over what the REPLACE made, REPLACE of it, UNMAP of that",
            [
                ("MAP over it", errno.EINVAL, lambda: tile.map(always_valid, out=None)),
                ("UNMAP of what it replaced", errno.ENOENT, lambda: tile.unmap(always_valid, out=None)),
                ("REPLACE of it", 0, lambda: tile.replace(always_valid, out=None)),
                ("UNMAP of that", 0, lambda: tile.unmap(always_valid, out=None)),
                ("MAP where nothing is left", 0, lambda: tile.map(always_valid, out=None)),
            ],
        )
        must.not_signal(call, at_most=ms(50), while_pending=fence)
    must.signal(call, after=fence)


@pytest.mark.parametrize("operation", ["UNMAP", "CLEAR"])
@behaviour(
    "O97",
    "an update that comes while a submission sleeps waits for the job of that, too",
    control="B16",
    needs="update_fence",
    rule="The submission sleeps with the root directory locked, and leaves its fence there before it lets go of it "
    "(amdgpu_cs_submit): an update that looked before would take memory from under the job.",
    stalls=True,
)
def test_update_waits_for_a_submission_that_sleeps(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, operation: str
) -> None:
    """Behind 32 unfinished jobs of its queue, which wait for one fence; its own job waits for another."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    nop = queue.packets.nop()
    with shut_fence() as second:
        with shut_fence() as first:
            for _ in range(SCHED_JOBS):
                queue.submit(nop, wait=[first.syncobj], may_block=True)
            sleeping = BackgroundCall(lambda: queue.submit(nop, wait=[second.syncobj], may_block=True))
            if not comes_to_sleep(sleeping):
                raise Inconclusive(f"a submission behind {SCHED_JOBS} unfinished jobs of its queue does not sleep")
            call = BackgroundCall(lambda: tile.unmap(always_valid) if operation == "UNMAP" else tile.clear())
            must.did(
                f"{operation} while a submission sleeps behind {SCHED_JOBS} jobs, which waits for a fence of its own"
            )
            must.note(f"with the submission asleep GEM_VA {'returned' if call.wait(ms(30)) else 'waits'}")
        must.not_signal(sleeping, at_most=ms(15), while_pending=second)
        must.not_signal(call, while_pending=second)
    must.signal(call, after=second)
