# SPDX-License-Identifier: MIT
"""Input fences in all numbers and of all makers, and what becomes of those of calls that did not come to anything."""

from __future__ import annotations

import errno
import signal
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from amdgpu_hw.address_space import Range, SyncOptions, Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.asleep import comes_to_sleep
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.covering import covering
from amdgpu_hw.proof.fixtures import Amount, ShutFence, ShutGate
from amdgpu_hw.proof.held import Held, require_pending
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import Inconclusive
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import SCHED_JOBS, Queue, Submission
from amdgpu_hw.sync import BackgroundCall, Syncobj
from amdgpu_hw.uapi import amdgpu_drm as uapi

TILE = 64 * KiB
FENCES = ("input_fence", "update_fence")
SERIES = ("explicit_sync", *FENCES)
NEVER_A_HANDLE = 0xDEAD
OLD, NEW = 0x01D01D01, 0x0EA0EA0E

BY_THEN_S = 0.03
"""An update that waits for nothing has taken effect by then."""

OPERATIONS: dict[str, Callable[..., Update]] = {
    "UNMAP": lambda tiles, old, new, **sync: tiles.part(0, TILE).unmap(old, **sync),
    "CLEAR": lambda tiles, old, new, **sync: tiles.part(0, TILE).clear(**sync),
    "REPLACE by PRT": lambda tiles, old, new, **sync: tiles.part(0, TILE).replace_prt(**sync),
    "REPLACE by a BO": lambda tiles, old, new, **sync: tiles.part(0, TILE).replace(new, **sync),
    "MAP": lambda tiles, old, new, **sync: tiles.part(TILE, TILE).map(new, **sync),
    "MAP PRT": lambda tiles, old, new, **sync: tiles.part(TILE, TILE).map_prt(**sync),
}
"""Operations on two tiles, the first of which shows a BO."""

MANY = ("our own job", "another driver", "MAP", "REPLACE by PRT")
"""What 70 fences are tried with."""

CASES = covering(
    {
        "maker": (
            "another driver",
            "our own job",
            "our own job, by a timeline",
            "our own job, by a timeline whose last point has signalled",
            "our own job, behind an older one of its queue",
            "our own job, before an older one of its queue",
        ),
        "operation": tuple(OPERATIONS),
        "number": ("9", "1", "70"),
        "place": ("last", "first"),
        "how": ("plain", "explicit"),
    },
    # So many are submissions of as many contexts each time.
    lambda case: (
        case.get("number") != "70"
        or (case.get("maker", "our own job") in MANY and case.get("operation", "MAP") in MANY)
    ),
)
"""One fence that is pending, among others that are not any more when the update is looked at."""


class Fences:
    """Makes the fences of cases: the one that stays pending, and those that end before."""

    def __init__(self, gpu: Gpu, shut_fence: ShutFence, shut_gate: ShutGate) -> None:
        self._gpu = gpu
        self._shut_fence = shut_fence
        self._shut_gate = shut_gate
        # Each context has a line of fences of its own, of which an update keeps the last (amdgpu_sync_fence).
        self._queues: list[Queue] = []

    @contextmanager
    def made(self, case: dict[str, str]) -> Iterator[tuple[Held, list[Syncobj], Callable[[], None]]]:
        """What stays pending, the inputs in their order, and what lets all the others end."""
        maker, queue = case["maker"], self._gpu.compute
        with ExitStack() as things:
            early = things.enter_context(self._shut_fence())
            while len(self._queues) < int(case["number"]) - 1:
                self._queues.append(self._gpu.new_context().queue(Engine.COMPUTE))
            jobs = [
                other.submit(other.packets.nop(), wait=[early.syncobj])
                for other in self._queues[: int(case["number"]) - 1]
            ]
            older = things.enter_context(self._shut_gate(queue)) if "older" in maker else None
            if maker == "another driver":
                fence = things.enter_context(self._shut_fence())
                held: Held = fence
                inputs = [fence.syncobj]
            else:
                held = job = things.enter_context(self._shut_gate(queue))
                inputs = [job.submission.out_syncobj]
            if older is not None:
                inputs.insert(len(inputs) if "before" in maker else 0, older.submission.out_syncobj)
            if "timeline" in maker:
                timeline = self._gpu.syncobj()
                timeline.transfer_from(inputs.pop(), point=3)
                inputs.append(timeline)
                if "last point" in maker:
                    timeline.signal(5)
            others = [job.out_syncobj for job in jobs]
            at = 0 if case["place"] == "first" else len(others)

            def end_the_others() -> None:
                early.open()
                if older is not None:
                    older.open()
                for done in (*jobs, *([older.submission] if older is not None else [])):
                    if not done.wait(ms(1000)):
                        raise Inconclusive(f"{done} was not done a second after its gate had opened")

            yield held, [*others[:at], *inputs, *others[at:]], end_the_others


@pytest.mark.parametrize("maker", dict.fromkeys(case["maker"] for case in CASES))
@behaviour(
    "O21",
    "an update takes effect after every one of its input fences, whoever made them and however many there are",
    control=("B23", "B25"),
    needs=FENCES,
    rule="Input fences are waited for in every mode: whose they are does not matter, nor the order.",
)
def test_every_input_fence_counts(
    gpu: Gpu,
    shut_fence: ShutFence,
    shut_gate: ShutGate,
    must: Must,
    amount: Amount,
    always_valid: Buffer,
    maker: str,
) -> None:
    """The others end first; the update must still wait for the one that is left."""
    fences = Fences(gpu, shut_fence, shut_gate)
    new = gpu.alloc(TILE, always_valid=True)
    for case in (case for case in CASES if case["maker"] == maker):
        explicit = case["how"] == "explicit" and bool(gpu.capabilities.explicit_sync)
        tiles = gpu.reserve(2 * TILE)
        tiles.part(0, TILE).map(always_valid)
        with fences.made(case) as (held, inputs, end_the_others):
            sync: SyncOptions = {"inputs": inputs, "explicit_sync": explicit}
            operation = OPERATIONS[case["operation"]]
            call = BackgroundCall(lambda: operation(tiles, always_valid, new, **sync))  # noqa: B023 - done in the loop
            how = "explicit " if explicit else ""
            must.did(f"{how}{case['operation']} with {len(inputs)} input fences, that of {maker} {case['place']}")
            end_the_others()
            must.not_signal(call, at_most=amount(ms(15), ms(100)), while_pending=held)
        must.signal(call, after=held)
        tiles.close()


@behaviour(
    "O21",
    "an update takes effect after the timeline that it puts its next point on",
    control="B23",
    needs=(*SERIES, "timeline_syncobj"),
    rule="That the point comes after those before it says nothing of the page tables.",
)
def test_the_timeline_of_the_update_counts(
    gpu: Gpu, shut_fence: ShutFence, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer
) -> None:
    """A queue of sparse binds is one timeline. Its points come one after the other in any case: memory has to tell."""
    tile, new = gpu.reserve(TILE), gpu.alloc(TILE, always_valid=True)
    always_valid.fill(OLD)
    new.fill(NEW)
    tile.map(always_valid)
    with gpu.syncobj() as timeline:
        with shut_fence() as held:
            timeline.transfer_from(held.syncobj, point=1)
            with shut_gate(gpu_view.queue, gpu_view.copy_ib(tile.va, 4)) as job:
                update = tile.replace(new, explicit_sync=True, inputs=[timeline], out=(timeline, 2))
                must.did(
                    f"explicit REPLACE from point 1 of a timeline, which is pending, to point 2; {job.words} reads"
                )
                time.sleep(BY_THEN_S)
            read = int.from_bytes(gpu_view.landed(4), "little")
            require_pending(held)
            must.equal(read, OLD, f"{job.words} read there, with point 1 pending,")
        must.signal(update, after=held)
    must.equal(gpu_view.sample([tile.va]), [NEW], "then the GPU read there")


def refused(
    gpu: Gpu, tiles: Range, buffer: Buffer, inputs: array[int], empty: Syncobj
) -> Iterator[tuple[str, int, Callable[[], object]]]:
    """Calls that collect their input fences and are refused then."""
    map_, unmap, replace = uapi.AMDGPU_VA_OP_MAP, uapi.AMDGPU_VA_OP_UNMAP, uapi.AMDGPU_VA_OP_REPLACE
    flags = uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE

    def gem_va(operation: int, tile: int, handles: array[int] = inputs, **more: int) -> Callable[[], object]:
        fields = {"flags": flags, "handle": buffer.handle, "size": TILE} | more

        def call() -> object:
            address, count = handles.buffer_info()
            return gpu.gem_va_raw(
                operation=operation, va=tiles.va + tile * TILE, input_address=address, input_count=count, **fields
            )

        return call

    yield "MAP over a mapping", errno.EINVAL, gem_va(map_, 0)
    yield "UNMAP of nothing", errno.ENOENT, gem_va(unmap, 1)
    yield "explicit UNMAP of nothing", errno.ENOENT, gem_va(unmap, 1, flags=uapi.AMDGPU_VM_EXPLICIT_SYNC)
    yield "REPLACE from behind the BO", errno.EINVAL, gem_va(replace, 0, offset=TILE)
    yield (
        "explicit REPLACE from behind the BO",
        errno.EINVAL,
        gem_va(replace, 0, offset=TILE, flags=flags | uapi.AMDGPU_VM_EXPLICIT_SYNC),
    )
    yield "an unknown syncobj for the update fence", errno.ENOENT, gem_va(map_, 1, syncobj_out=NEVER_A_HANDLE)
    for words, error, handle in (
        ("an unknown handle", errno.ENOENT, NEVER_A_HANDLE),
        ("a syncobj without a fence", errno.EINVAL, empty.handle),
    ):
        yield f"{words} behind the input fence", error, gem_va(map_, 1, array("I", [*inputs, handle]))


def need_not_wait(
    gpu: Gpu, tiles: Range, old: Buffer, ordinary: Buffer
) -> Iterator[tuple[str, Callable[[], Update | Submission]]]:
    """What comes after a call that came to nothing: all of it is done at once, if nothing is left of that."""
    queue = gpu.compute
    yield "MAP of an always-valid BO", lambda: tiles.part(2 * TILE, TILE).map(old)
    yield "MAP of an ordinary BO", lambda: tiles.part(3 * TILE, TILE).map(ordinary)
    yield "MAP PRT", lambda: tiles.part(4 * TILE, TILE).map_prt()
    yield "explicit CLEAR", lambda: tiles.part(4 * TILE, TILE).clear(explicit_sync=True)
    yield "REPLACE by PRT", lambda: tiles.part(2 * TILE, TILE).replace_prt()
    yield "explicit UNMAP of an always-valid BO", lambda: tiles.part(0, TILE).unmap(old, explicit_sync=True)
    yield "a submission that lists a BO", lambda: queue.submit(queue.packets.nop(), buffers=[ordinary])


NOTHING_KEPT = "Input fences belong to one call: when it ends, however it ends, they are dropped (amdgpu_gem_va_ioctl)."


@behaviour(
    "O22",
    "the input fences of a refused update hold up nothing that comes after",
    control="B23",
    needs=SERIES,
    rule=NOTHING_KEPT,
)
def test_input_fences_of_refused_updates_are_dropped(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, ordinary: Buffer
) -> None:
    """Refused at every stage; then each operation there is, and a submission."""
    tiles = gpu.reserve(5 * TILE)
    tiles.part(0, TILE).map(always_valid)
    with gpu.syncobj() as empty, shut_fence() as fence:
        inputs = array("I", [fence.syncobj.handle])
        for words, error, update in refused(gpu, tiles, always_valid, inputs, empty):
            call = BackgroundCall(update)
            must.come_back(call, what=words, while_pending=fence)
            with must.refuse(error, f"{words}, with a pending input fence"):
                call.result()
        for words, subject in need_not_wait(gpu, tiles, always_valid, ordinary):
            must.did(words)
            must.signal(subject(), within=ms(500), while_pending=fence)


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGUSR2 interrupts a system call of the thread that gets it, and does nothing else."""
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR2, before)


@behaviour(
    "O23",
    "the input fences of an update that a signal ended while it waited for a lock hold up nothing that comes after",
    control="B23",
    needs=SERIES,
    rule=NOTHING_KEPT,
)
def test_input_fences_of_an_interrupted_update_are_dropped(
    gpu: Gpu, shut_gate: ShutGate, shut_fence: ShutFence, must: Must, always_valid: Buffer, ordinary: Buffer
) -> None:
    """A submission that sleeps behind 32 unfinished ones has the lock of the page directory."""
    tiles = gpu.reserve(5 * TILE)
    tiles.part(0, TILE).map(always_valid)
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with shut_fence() as fence:
        handles = array("I", [fence.syncobj.handle])
        address, count = handles.buffer_info()
        with shut_gate(gpu.compute) as job, interruptible():
            for _ in range(SCHED_JOBS):
                queue.submit(queue.packets.nop(), after=(), wait=[job.gate.fence(gpu)], may_block=True)
            locking = BackgroundCall(lambda: queue.submit(queue.packets.nop(), may_block=True))
            update = (
                BackgroundCall(
                    lambda: gpu.gem_va_raw(
                        operation=uapi.AMDGPU_VA_OP_REPLACE,
                        flags=uapi.AMDGPU_VM_PAGE_PRT | uapi.AMDGPU_VM_EXPLICIT_SYNC,
                        va=tiles.va,
                        size=TILE,
                        input_address=address,
                        input_count=count,
                        once=1,
                    )
                )
                if comes_to_sleep(locking)
                else None
            )
            if update is None or not comes_to_sleep(update):
                raise Inconclusive("GEM_VA does not wait for a lock behind a submission that sleeps")
            update.interrupt(signal.SIGUSR2)
            must.come_back(update, while_pending=job)
            with must.refuse(errno.EINTR, "explicit REPLACE with a pending input fence, interrupted at a lock"):
                update.result()
        locking.result()
        for words, subject in need_not_wait(gpu, tiles, always_valid, ordinary):
            must.did(words)
            must.signal(subject(), within=ms(500), while_pending=fence)
