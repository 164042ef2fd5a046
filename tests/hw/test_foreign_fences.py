# SPDX-License-Identifier: MIT
"""Fences that others leave on a buffer: nobody can promise in their place that they are done."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.foreign import leave_fence, leave_file, leave_foreign_fence
from amdgpu_hw.proof.held import require_pending
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
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
    with shut_fence() as second:
        with shut_fence() as first:
            before = queue.submit(nop, buffers=[ordinary], wait=[first.syncobj])
            with ordinary.export_sync_file(dma_buf.DMA_BUF_SYNC_RW) as older:
                last = queue.submit(nop, buffers=[ordinary], wait=[second.syncobj])
                leave_file(ordinary, older, dma_buf.DMA_BUF_SYNC_WRITE)
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


@behaviour(
    "O77",
    "a buffer is written to until the writer is done, although a later job of its queue only reads",
    rule="A fence takes the place of an earlier one of its context only if others wait for it as much "
    "(dma_resv_add_fence: the usage).",
)
def test_a_later_reader_does_not_hide_a_writer(gpu: Gpu, shut_fence: ShutFence, must: Must, ordinary: Buffer) -> None:
    """Who wants to read asks for the writers alone (DMA_BUF_SYNC_READ)."""
    queue = gpu.compute
    nop = queue.packets.nop()
    with shut_fence() as pending:
        writer = queue.submit(nop, wait=[pending.syncobj])
        reader = queue.submit(nop)
        leave_fence(ordinary, writer, dma_buf.DMA_BUF_SYNC_WRITE)
        leave_fence(ordinary, reader, dma_buf.DMA_BUF_SYNC_READ)
        must.did(f"put the fence of {writer} on a BO as a writer's, then that of {reader} as a reader's")
        with ordinary.export_sync_file(dma_buf.DMA_BUF_SYNC_READ) as writers:
            done = writers.wait(ms(5))
        must.not_signal(writer, at_most=ms(5), while_pending=pending)
        must.be(
            not done,
            seen="who wants to read waits for the writer",
            otherwise=f"who wants to read waits for nobody with {writer} pending, which writes",
            kind="fence",
        )
    must.signal(reader, after=pending)


@pytest.mark.parametrize("pending", ["first", "second"])
@behaviour(
    "O77",
    "a buffer is busy until all fences of a merged sync file have signalled that was put on it",
    rule="Each of its fences goes on the buffer (dma_buf_import_sync_file, dma_fence_unwrap_for_each).",
)
def test_all_fences_of_a_merged_sync_file_count(
    gpu: Gpu, shut_fence: ShutFence, must: Must, ordinary: Buffer, pending: str
) -> None:
    """As a compositor puts there what two of its clients still do."""
    with shut_fence() as one, shut_fence() as two:
        with (
            one.syncobj.export_sync_file() as file,
            two.syncobj.export_sync_file() as other,
            file.merge(other) as merged,
        ):
            leave_file(ordinary, merged, dma_buf.DMA_BUF_SYNC_WRITE)
        first, last = (two, one) if pending == "first" else (one, two)
        first.open()
        must.did(f"put a merged sync file of two pending fences on a BO; all but the {pending} one signals")
        idle = ordinary.wait_idle(ms(20))
        require_pending(last)
        must.be(
            not idle,
            seen="the BO was busy",
            otherwise=f"the BO was idle with {last.words} pending, which was merged into the sync file",
            kind="fence",
        )
    must.be(
        ordinary.wait_idle(ms(2000)),
        seen="and idle then",
        otherwise="2 s after both fences have signalled the BO is still busy",
        kind="fence",
    )


@pytest.mark.parametrize("wanted", ["read", "write", "both"])
@pytest.mark.parametrize("usage", ["read", "write"])
@behaviour(
    "O77",
    "a sync file of a buffer has what its taker has to wait for",
    rule="Who reads waits for writers, who writes, or does both, for readers as well (dma_buf_export_sync_file).",
)
def test_a_sync_file_of_a_buffer(
    gpu: Gpu, shut_fence: ShutFence, must: Must, ordinary: Buffer, usage: str, wanted: str
) -> None:
    """Of another driver's fence, as a reader's or a writer's."""
    flags = {"read": dma_buf.DMA_BUF_SYNC_READ, "write": dma_buf.DMA_BUF_SYNC_WRITE, "both": dma_buf.DMA_BUF_SYNC_RW}
    with shut_fence() as fence:
        leave_foreign_fence(ordinary, fence, must, flags[usage])
        with ordinary.export_sync_file(flags[wanted]) as file:
            signalled = file.signaled()
            require_pending(fence)
            must.did(f"EXPORT_SYNC_FILE for who does {wanted}")
            must.equal(
                signalled, usage == wanted == "read", f"whether it has signalled, with a {usage}er's fence pending:"
            )


@pytest.mark.parametrize("usage", [dma_buf.DMA_BUF_SYNC_WRITE, dma_buf.DMA_BUF_SYNC_READ], ids=["write", "read"])
@behaviour(
    "O77",
    "a buffer is busy while somebody still reads it, or writes to it",
    rule="Who asks wants to write (amdgpu_gem_wait_idle_ioctl: DMA_RESV_USAGE_READ).",
)
def test_a_buffer_is_busy_with_readers_and_writers(
    gpu: Gpu, shut_fence: ShutFence, must: Must, ordinary: Buffer, usage: int
) -> None:
    """Of another driver, so that the fence has just this usage."""
    with shut_fence() as fence:
        leave_foreign_fence(ordinary, fence, must, usage)
        idle = ordinary.wait_idle(ms(5))
        require_pending(fence)
        must.be(not idle, seen="the BO was busy", otherwise=f"the BO was idle with {fence.words} pending", kind="fence")
    must.be(ordinary.wait_idle(ms(2000)), seen="and idle then", otherwise="the BO is busy for ever", kind="fence")


@pytest.mark.parametrize("explicit", [False, True], ids=["plain", "created with EXPLICIT_SYNC"])
@behaviour(
    "O89",
    "a submission waits for what another driver still does with a buffer that it lists",
    control="O52c",
    rule="Explicit synchronisation is among the jobs of this driver (row 1 of amdgpu_sync_test_fence).",
)
def test_submission_waits_for_the_fence_of_another_driver(
    gpu: Gpu, shut_fence: ShutFence, must: Must, explicit: bool
) -> None:
    """The buffer is mapped before, so that no update waits for the fence in the submission's place."""
    buffer, queue = gpu.alloc(TILE, explicit_sync=explicit), gpu.compute
    gpu.reserve(TILE).map(buffer)
    queue.submit(queue.packets.nop(), buffers=[buffer]).wait()
    with shut_fence() as fence:
        leave_foreign_fence(buffer, fence, must)
        job = queue.submit(queue.packets.nop(), buffers=[buffer])
        must.not_signal(job, at_most=ms(20), while_pending=fence)
    must.signal(job, after=fence)
