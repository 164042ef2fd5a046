# SPDX-License-Identifier: MIT
"""Contexts, queues and submissions: handing IBs to a ring, with everything that they wait for and signal."""

from __future__ import annotations

import errno
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from amdgpu_hw.address_space import AddressSpace, Range
from amdgpu_hw.capabilities import RingInfo
from amdgpu_hw.errors import DrmError, FeatureMissing, HarnessError, PendingWork, QueueFull
from amdgpu_hw.identity import GpuIdentity
from amdgpu_hw.libdrm.cs import AmdgpuContextHandle
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.memory import PAGE_SIZE, Buffer, MiB
from amdgpu_hw.packets import Engine, Pm4, Sdma, codec_for
from amdgpu_hw.sync import DEFAULT_TIMEOUT_NS, Syncobj, SyncPoint, sync_point, wait_in_slices
from amdgpu_hw.uapi import amdgpu_drm as uapi

__all__ = ("SCHED_JOBS", "Context", "Ib", "IbPool", "Queue", "Submission")

SCHED_JOBS = 32
"""Unfinished jobs of a queue, with which its next submission sleeps (amdgpu.sched_jobs, amdgpu_ctx_wait_prev_fence)."""

# With 32 unfinished jobs of one entity the next CS sleeps in the kernel holding the page directory's lock
# (amdgpu_cs_sync_rings, KERNEL.md 6.3 rule 2).
MAX_PENDING = SCHED_JOBS - 1

# What a job that did not complete leaves in its fence: killed with its context, timed out, soft-recovered.
_JOB_ERRORS = {errno.ECANCELED, errno.ETIME, errno.ENODATA}

# Every engine takes IBs of a multiple of 16 dwords (PACKETS.md 1.4).
_IB_MULTIPLE = 16


@dataclass(frozen=True, slots=True)
class Ib:
    """An indirect buffer: packets as dwords, and AMDGPU_IB_FLAG_*. It is padded when submitted."""

    dwords: Sequence[int]
    flags: int = 0


class IbPool:
    """Memory for IBs: one always-valid GTT buffer, mapped once, in slots that are reused when their job is done.

    It is allocated before any gate is shut, so that submitting needs no page-table update later on.
    """

    SIZE = 1 * MiB

    def __init__(self, device: AmdgpuDeviceHandle, space: AddressSpace) -> None:
        self._buffer = Buffer.allocate(
            device,
            self.SIZE,
            domain="gtt",
            alignment=PAGE_SIZE,
            always_valid=True,
            cpu_access=True,
            explicit_sync=False,
            flags=0,
        )
        self._range: Range = space.reserve(self.SIZE)
        mapping = self._range.map(self._buffer, writeable=False, executable=True)
        if mapping.fence is not None and not mapping.wait():
            raise HarnessError("the GPU did not finish a first page-table update in 5 s: look into the kernel log")
        self._users: list[Submission | None] = [None] * (self.SIZE // PAGE_SIZE)
        self._next = 0
        self.lock = threading.Lock()

    def upload(self, ibs: Sequence[Sequence[int]]) -> tuple[list[int], range]:
        """Copy IBs in; returns their addresses and the slots they took, for `keep`.

        Raises `QueueFull` if the slots all belong to pending submissions. Hold `lock` until `keep` is called.
        """
        sizes = [-(-4 * len(dwords) // PAGE_SIZE) * PAGE_SIZE for dwords in ibs]
        slots = self._find(sum(sizes) // PAGE_SIZE)
        offset = slots.start * PAGE_SIZE
        addresses = []
        for dwords, size in zip(ibs, sizes, strict=True):
            self._buffer.write(offset, struct.pack(f"<{len(dwords)}I", *dwords))
            addresses.append(self._range.va + offset)
            offset += size
        return addresses, slots

    def keep(self, slots: range, submission: Submission) -> None:
        """Keep the slots until this submission is done."""
        for slot in slots:
            self._users[slot] = submission

    def _find(self, count: int) -> range:
        total = len(self._users)
        if count > total:
            raise ValueError(f"the IBs need {count * PAGE_SIZE} bytes, the pool for them has {self.SIZE}")
        for start in (*range(self._next, total - count + 1), *range(min(self._next, total - count + 1))):
            slots = range(start, start + count)
            if all(self._free(slot) for slot in slots):
                self._next = slots.stop % total
                return slots
        raise QueueFull("all memory for IBs belongs to pending submissions: wait for some of them first")

    def _free(self, slot: int) -> bool:
        user = self._users[slot]
        if user is not None and user.signaled():
            self._users[slot] = user = None
        return user is None

    def close(self) -> None:
        """Give memory and addresses back."""
        self._range.close()
        self._buffer.close()


class Submission:
    """One CS ioctl; its job's fence is what `wait` waits for."""

    def __init__(self, queue: Queue, fence_seq: int) -> None:
        self._queue = queue
        self._done = False
        self.fence_seq = fence_seq
        """Its number in the queue, from 1 (what libdrm calls the fence)."""
        self.error: int | None = None
        """The errno with which the job ended, once that is known: ECANCELED, ETIME or ENODATA."""

    def signaled(self) -> bool:
        """Whether the job's fence has signalled by now, be it with an error (see `error`)."""
        return self.signaled_by(0)

    def wait(self, timeout_ns: int = DEFAULT_TIMEOUT_NS) -> bool:
        """Wait for the job to complete; False on timeout. Raises `DrmError` if it ended with an error."""
        done = wait_in_slices(self.signaled_by, timeout_ns)
        if self.error is not None:
            raise DrmError(self.error, "DRM_IOCTL_AMDGPU_WAIT_CS", {"job": str(self)})
        return done

    @property
    def out_syncobj(self) -> Syncobj:
        """A new syncobj with the job's fence (FENCE_TO_HANDLE)."""
        queue = self._queue
        handle = queue.context.handle.fence_to_syncobj(queue.engine, queue.ring, self.fence_seq)
        return Syncobj(queue.context.device, handle)

    @property
    def queue(self) -> Queue:
        """Where it was submitted."""
        return self._queue

    def signaled_by(self, deadline_ns: int) -> bool:
        """Like `signaled`, but waits until an absolute CLOCK_MONOTONIC time for it."""
        if not self._done:
            queue = self._queue
            try:
                handle = queue.context.handle
                self._done = handle.wait(queue.engine, queue.ring, self.fence_seq, deadline_ns)
            except DrmError as error:
                if error.errno not in _JOB_ERRORS:
                    raise
                self._done, self.error = True, error.errno
        return self._done

    def __str__(self) -> str:
        return f"job {self.fence_seq} of {self._queue}"


class Queue:
    """One ring of one engine, as seen by one context: submissions run in order (a scheduler entity)."""

    def __init__(self, context: Context, engine: Engine, ring: int, codec: Pm4 | Sdma) -> None:
        self.context = context
        self.engine = engine
        self.ring = ring
        self.packets = codec
        """Makes this queue's packets."""
        self._pending: deque[Submission] = deque()

    def submit(
        self,
        ibs: Sequence[int] | Sequence[Ib],
        *,
        buffers: Sequence[Buffer] = (),
        wait: Sequence[Syncobj | tuple[Syncobj, int]] = (),
        signal: Sequence[Syncobj | tuple[Syncobj, int]] = (),
        after: Sequence[Submission] = (),
        after_start: Sequence[Submission] = (),
        gang: Sequence[tuple[Queue, Sequence[int]]] = (),
        user_fence: Buffer | None = None,
        may_block: bool = False,
    ) -> Submission:
        """Submit one IB (its dwords) or several `Ib`.

        ``buffers`` are the BO handles: resident, and implicitly synchronised unless allocated otherwise; always-
        valid ones need not be listed. ``wait`` and ``signal`` take syncobjs and (timeline syncobj, point) pairs,
        ``after`` other submissions of the same context that have to be done before, ``after_start`` those that only
        have to be on their rings (SCHEDULED_DEPENDENCIES). ``gang`` are further queues of the context with the dwords
        of an IB for each: they start together with this one, which leads them and alone has a fence. ``user_fence`` is
        a buffer of one page, whose first qword the GPU sets to the submission's number when the job is done. Raises
        `DrmError`, and `QueueFull` with 31 jobs pending unless it ``may_block``: with 32 the kernel sleeps until the
        first is done, and all that it has locked stays locked. A mixture of dwords and `Ib` is a `TypeError`.
        """
        if not may_block and len(self._pending) >= MAX_PENDING and len(self.pending()) >= MAX_PENDING:
            raise QueueFull(f"{MAX_PENDING} jobs of {self} are pending: one more would block the whole address space")
        if not ibs:
            raise ValueError("a submission needs at least one IB: the kernel refuses any without (EINVAL)")
        # The queue of the last IB leads (amdgpu_cs_p1_ib).
        placed = [(queue, Ib(dwords)) for queue, dwords in gang] + [(self, ib) for ib in _as_ibs(ibs)]
        padded = [queue.packets.pad(ib.dwords, _IB_MULTIPLE) for queue, ib in placed]
        context, pool = self.context, self.context.ib_pool
        with pool.lock:
            addresses, slots = pool.upload(padded)
            chunks = [
                queue._ib_chunk(address, len(dwords), ib.flags)
                for address, dwords, (queue, ib) in zip(addresses, padded, placed, strict=True)
            ]
            chunks += _wait_chunks([sync_point(fence) for fence in wait])
            chunks += _signal_chunks([sync_point(fence) for fence in signal])
            if user_fence is not None:
                chunks.append((uapi.AMDGPU_CHUNK_ID_FENCE, uapi.CS_CHUNK_FENCE.pack(handle=user_fence.handle)))
            for kind, others in (
                (uapi.AMDGPU_CHUNK_ID_DEPENDENCIES, after),
                (uapi.AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES, after_start),
            ):
                jobs = [context.handle.dependency(job.queue.engine, job.queue.ring, job.fence_seq) for job in others]
                chunks += [(kind, b"".join(jobs))] if jobs else []
            sequence = context.handle.submit(chunks, [buffer.handle for buffer in buffers])
            submission = Submission(self, sequence)
            pool.keep(slots, submission)
        self._pending.append(submission)
        return submission

    def pending(self) -> list[Submission]:
        """The submissions that have not signalled yet, oldest first."""
        while self._pending and self._pending[0].signaled():
            self._pending.popleft()
        return list(self._pending)

    def _ib_chunk(self, va: int, dwords: int, flags: int) -> tuple[int, bytes]:
        chunk = uapi.CS_CHUNK_IB.pack(
            flags=flags, va_start=va, ib_bytes=4 * dwords, ip_type=self.engine, ring=self.ring
        )
        return uapi.AMDGPU_CHUNK_ID_IB, chunk

    def __str__(self) -> str:
        name = f"{self.engine.name.lower()}{self.ring}"
        return name if self.context.number == 1 else f"{name} of context {self.context.number}"


class Context:
    """A GPU context: its queues, its priority, its fate after a reset. Made by `Gpu.new_context`."""

    def __init__(
        self,
        device: AmdgpuDeviceHandle,
        identity: GpuIdentity,
        rings: Mapping[Engine, RingInfo],
        ib_pool: IbPool,
        priority: int,
        number: int,
    ) -> None:
        self.device = device
        self.number = number
        """Which of its GPU object it is, from 1: two contexts have queues of the same name."""
        self.ib_pool = ib_pool
        self._identity = identity
        self._rings = rings
        self._handle: AmdgpuContextHandle | None = AmdgpuContextHandle(device, priority)
        self._queues: dict[tuple[Engine, int], Queue] = {}

    @property
    def handle(self) -> AmdgpuContextHandle:
        """The libdrm object, for the device layer. Raises `ValueError` once closed."""
        if self._handle is None or self.closed:
            raise ValueError("the context is closed")
        return self._handle

    @property
    def closed(self) -> bool:
        """Whether it was freed, or its node closed."""
        return self._handle is None or self.device.closed

    def queue(self, engine: Engine, ring: int = 0) -> Queue:
        """The queue of one ring; the same object every time. Raises `FeatureMissing` if the GPU has no such ring."""
        info = self._rings[engine]
        if ring not in info.rings:
            there = ", ".join(map(str, info.rings)) or "none"
            raise FeatureMissing(f"{self._identity.name} has no {engine.name} ring {ring}: it has {there}")
        key = (engine, ring)
        if key not in self._queues:
            codec = codec_for(engine, self._identity.gc_version, self._identity.sdma_version)
            self._queues[key] = Queue(self, engine, ring, codec)
        return self._queues[key]

    def pending(self) -> list[Submission]:
        """The submissions of all queues that have not signalled yet."""
        return [submission for queue in self._queues.values() for submission in queue.pending()]

    def reset_flags(self) -> int:
        """AMDGPU_CTX_QUERY2_FLAGS_*: whether the GPU was reset, and by whose fault, since the context was made."""
        return self.handle.reset_flags()

    def check_idle(self, timeout_ns: int) -> None:
        """Wait for all submissions. Raises `PendingWork` if some are still pending after ``timeout_ns``."""
        end = time.monotonic_ns() + timeout_ns
        for submission in self.pending():
            if not wait_in_slices(submission.signaled_by, max(end - time.monotonic_ns(), 0)):
                jobs = ", ".join(map(str, self.pending()))
                raise PendingWork(f"{jobs} did not end within {timeout_ns / 1e9:.2g} s: open the gate before closing")

    def close(self, timeout_ns: int = DEFAULT_TIMEOUT_NS) -> None:
        """Free the context, which must have nothing pending: the kernel would wait for ever. Raises `PendingWork`."""
        if self._handle is None:
            return
        if not self.device.closed:
            self.check_idle(timeout_ns)
            self._handle.free()
        self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _as_ibs(ibs: Sequence[int] | Sequence[Ib]) -> list[Ib]:
    many = [ib for ib in ibs if isinstance(ib, Ib)]
    if len(many) == len(ibs):
        return many
    if many:
        raise TypeError("a submission takes the dwords of one IB, or a sequence of Ib: not both at once")
    return [Ib([dword for dword in ibs if not isinstance(dword, Ib)])]


def _wait_chunks(fences: Sequence[SyncPoint]) -> list[tuple[int, bytes]]:
    binary = [uapi.CS_CHUNK_SEM.pack(handle=fence.syncobj.handle) for fence in fences if not fence.point]
    points = [_timeline_record(fence) for fence in fences if fence.point]
    chunks = []
    if binary:
        chunks.append((uapi.AMDGPU_CHUNK_ID_SYNCOBJ_IN, b"".join(binary)))
    if points:
        chunks.append((uapi.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_WAIT, b"".join(points)))
    return chunks


def _signal_chunks(fences: Sequence[SyncPoint]) -> list[tuple[int, bytes]]:
    if not fences:
        return []
    # Only one of the two chunks is allowed; the timeline one treats point 0 as a binary syncobj.
    if any(fence.point for fence in fences):
        records = [_timeline_record(fence) for fence in fences]
        return [(uapi.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_SIGNAL, b"".join(records))]
    handles = [uapi.CS_CHUNK_SEM.pack(handle=fence.syncobj.handle) for fence in fences]
    return [(uapi.AMDGPU_CHUNK_ID_SYNCOBJ_OUT, b"".join(handles))]


def _timeline_record(fence: SyncPoint) -> bytes:
    return uapi.CS_CHUNK_SYNCOBJ.pack(handle=fence.syncobj.handle, point=fence.point)
