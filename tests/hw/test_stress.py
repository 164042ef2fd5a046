# SPDX-License-Identifier: MIT
"""Explicit updates again and again, beside others and without end: the data stays right, and nothing is left behind.

Few rounds by default; with `--amdgpu-stress` as many as a night needs.
"""

from __future__ import annotations

from amdgpu_hw.address_space import SyncOptions
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB, MiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import Amount, ShutGate, drain
from amdgpu_hw.proof.leaks import Holdings
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import BackgroundCall

TILE = 64 * KiB
ROUNDS = 25
"""Under one gate: on a kernel that ignores the flag so many times four jobs queue up behind it, which leaves the most
part of the pool that all processes share (KERNEL.md E15)."""


@behaviour(
    "B45",
    "after many explicit updates in a row the last one is what the GPU sees",
    needs="explicit_sync",
    rule="They need not wait for jobs, but for each other: page-table jobs of one address space run in order.",
)
def test_the_last_of_many_explicit_updates_counts(
    gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: Buffer, amount: Amount
) -> None:
    """PRT and two buffers in turns, none waited for, and a submission right behind the last."""
    last = gpu.alloc(TILE, always_valid=True)
    always_valid.fill(0x0DD1D47A)
    last.fill(0x600DDA7A)
    tile = gpu.reserve(TILE)
    tile.map(last)
    rounds = amount(32, 10_000)
    for _ in range(rounds):
        for buffer in (always_valid, last):
            tile.replace_prt(explicit_sync=True)
            tile.replace(buffer, explicit_sync=True)
    must.did(f"{4 * rounds} explicit REPLACEs by PRT and by two buffers in turns, then a copy from there")
    read = memoryview(gpu_view.read(tile.va, TILE)).cast("I")
    must.equal(set(read), {0x600DDA7A}, "through the last one the GPU read only")


@behaviour(
    "B46",
    "explicit updates in one thread do not disturb submissions in another",
    needs="explicit_sync",
    rule="Both take the page directory's lock, and neither may see what the other has half done.",
)
def test_explicit_updates_beside_submissions(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer, ordinary: Buffer, amount: Amount
) -> None:
    """A job is in flight all the time. No call fails, every copy brings the right data, and the GPU does not fault."""
    tile, other = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(always_valid)
    other.map(ordinary)
    ordinary.fill(0x600DDA7A)
    good, batches, copies, wrong = ordinary.read(0, TILE), amount(6, 2000), 0, 0

    def update() -> None:
        for _ in range(ROUNDS):
            tile.replace_prt(explicit_sync=True)
            tile.replace(always_valid, explicit_sync=True)

    for _ in range(batches):
        with shut_gate(gpu.compute), BackgroundCall(update) as updates:
            while not updates.done():
                wrong += gpu_view.read(other.va, TILE, [ordinary]) != good
                copies += 1
            updates.result()
    must.did(f"{batches * ROUNDS * 2} explicit REPLACEs in one thread, {copies} copies from elsewhere in another")
    must.be(
        not wrong and copies > 0,
        seen="every call was accepted, every copy brought the right data",
        otherwise=f"{wrong} of {copies} copies brought wrong data",
    )


@behaviour(
    "T16",
    "allocating, mapping, submitting and closing over and over holds nothing in the end",
    finding="F2: GEM_CLOSE never finishes its update context (patch 1), if nothing but slab caches has grown.",
)
def test_nothing_is_held_after_many_cycles(gpu: Gpu, must: Must, sync: SyncOptions, amount: Amount) -> None:
    """A buffer is allocated, mapped, there is a job, it is taken out (explicitly where that is asked), and closed."""
    tile = gpu.reserve(MiB)
    # No update fences: before the series the syncobjs for them leaked on some kernels (KERNEL.md E9).
    quiet: SyncOptions = {**sync, "out": None}

    def cycles(count: int) -> None:
        for index in range(count):
            buffer = gpu.alloc(MiB, always_valid=True)
            tile.map(buffer, out=None)
            job = gpu.sdma.submit(gpu.sdma.packets.nop())
            if sync:
                tile.replace_prt(**quiet)
                tile.clear(**quiet)
            buffer.close()
            if index % 16 == 0:
                job.wait(ms(5000))
        drain(gpu)

    cycles(32)
    holdings = Holdings(gpu)
    count = amount(250, 10_000)
    cycles(count)
    must.did(f"{count} cycles of GEM_CREATE, MAP, a job, {'explicit REPLACE and CLEAR, ' if sync else ''}GEM_CLOSE")
    more = holdings.more(count, MiB)
    must.be(
        not more,
        seen=f"afterwards nothing more was held by {holdings.words(count)}",
        otherwise=f"afterwards {'; '.join(more)}",
        kind="note",
    )
