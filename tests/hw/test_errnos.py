# SPDX-License-Identifier: MIT
"""Errors that every kernel gives alike, whatever else has changed: tables of calls that are wrong in one way each."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pytest

from amdgpu_hw.errors import DrmError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.errnos import Row, buffers, submissions, syncobjs
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import duration, ms
from amdgpu_hw.sync import BackgroundCall, Syncobj
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import drm
from amdgpu_hw.uapi.layout import Ioctl

IB_DWORDS = 64
"""Enough for every engine's alignment."""
WAITS = (drm.IOCTL_SYNCOBJ_WAIT, drm.IOCTL_SYNCOBJ_TIMELINE_WAIT)


class Client:
    """What the tables' calls need: handles, descriptors, and arrays in memory that live as long as it does."""

    def __init__(self, gpu: Gpu, **handles: int) -> None:
        self.__dict__.update(handles)
        self._gpu = gpu
        self._syncobjs: list[Syncobj] = []
        self._arrays: list[ctypes.Array[ctypes.c_char]] = []

    @property
    def empty(self) -> int:
        """A syncobj without a fence: another one each time, as some calls put one in."""
        self._syncobjs.append(self._gpu.syncobj())
        return self._syncobjs[-1].handle

    def u32s(self, *values: int) -> int:
        """Address of an array of u32."""
        return self.address(b"".join(value.to_bytes(4, "little") for value in values))

    def entries(self, *handles: int) -> int:
        """Address of entries of a BO list."""
        return self.address(b"".join(uapi.BO_LIST_ENTRY.pack(bo_handle=handle) for handle in handles))

    def address(self, data: bytes) -> int:
        """Address of these bytes."""
        self._arrays.append(ctypes.create_string_buffer(data, len(data)))
        return ctypes.addressof(self._arrays[-1])


class Submitter(Client):
    """What the table of submissions needs besides; ``ibs`` are the addresses of an IB of NOPs by IP."""

    def __init__(self, gpu: Gpu, ibs: Mapping[int, int], *, ctx: int, **handles: int) -> None:
        super().__init__(gpu, **handles)
        self.ctx = ctx
        self._ibs = ibs

    def nops(self, ip: int) -> tuple[int, int]:
        """Address and bytes of an IB that does nothing; anything for an IP that there is none of."""
        return self._ibs.get(ip, 0), 4 * IB_DWORDS

    def submission(self, row: submissions.Wrong) -> dict[str, int]:
        """The fields of a CS ioctl."""
        chunks = [chunk(self) for chunk in row.chunks]
        headers = [
            self.address(uapi.CS_CHUNK.pack(chunk_id=each, length_dw=len(data) // 4, chunk_data=self.address(data)))
            for each, data in chunks
        ]
        pointers = self.address(b"".join(header.to_bytes(8, "little") for header in headers))
        return {"ctx_id": self.ctx, "bo_list_handle": row.bo_list, "num_chunks": len(headers), "chunks": pointers}


@behaviour("T14", "calls for buffers, lists and VMIDs that are wrong end with the errno of the first check they fail")
def test_errors_of_buffers(gpu: Gpu, must: Must, ordinary: Buffer) -> None:
    """User space tells kernels apart by errnos."""
    hidden = gpu.alloc(PAGE_SIZE, cpu_access=False)
    client = Client(gpu, any=ordinary.handle, hidden=hidden.handle)
    must.answer(f"{len(buffers.ROWS)} calls", calls(gpu, client, buffers.ROWS))


@behaviour(
    "T15", "syncobj calls that are wrong end with the errno of the first check they fail", needs="timeline_syncobj"
)
def test_errors_of_syncobjs(gpu: Gpu, shut_fence: ShutFence, must: Must, eventfd: int) -> None:
    """Timeouts are absolute times, so one in the past is over at once."""
    with shut_fence() as pending, gpu.syncobj(signaled=True) as signaled:
        shared: int = gpu.ioctl(drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=signaled.handle)["fd"]
        try:
            with pending.syncobj.export_sync_file() as sync_file:
                client = Client(
                    gpu,
                    signaled=signaled.handle,
                    pending=pending.syncobj.handle,
                    sync_file=sync_file.fileno(),
                    syncobj_file=shared,
                    eventfd=eventfd,
                )
                must.answer(f"{len(syncobjs.ROWS)} calls", calls(gpu, client, syncobjs.ROWS))
        finally:
            os.close(shared)


@behaviour("O59", "submissions that are wrong end with the errno of the first check they fail")
def test_errors_of_submissions(gpu: Gpu, must: Must) -> None:
    """Those that are in order run; a context of their own does not count them as the suite's."""
    queues = (gpu.compute, gpu.sdma)
    ibs, where = gpu.alloc(PAGE_SIZE, always_valid=True), gpu.reserve(PAGE_SIZE)
    where.map(ibs)
    for at, queue in enumerate(queues):
        nops = queue.packets.pad(queue.packets.nop(), IB_DWORDS)
        ibs.write(4 * IB_DWORDS * at, b"".join(dword.to_bytes(4, "little") for dword in nops))
    places = {queue.engine.value: where.va + 4 * IB_DWORDS * at for at, queue in enumerate(queues)}
    handles = {
        "page": gpu.alloc(PAGE_SIZE).handle,
        "pages": gpu.alloc(2 * PAGE_SIZE).handle,
        "user_page": gpu.alloc_user(PAGE_SIZE).handle,
    }
    ctx: int = gpu.ioctl(uapi.IOCTL_AMDGPU_CTX, out=uapi.CTX_ALLOC_OUT, op=uapi.AMDGPU_CTX_OP_ALLOC_CTX)["ctx_id"]
    with gpu.syncobj(signaled=True) as signaled:
        client = Submitter(gpu, places, ctx=ctx, signaled=signaled.handle, **handles)

        def wrong() -> Iterator[tuple[str, int, Callable[[], object]]]:
            for row in submissions.ROWS:
                yield row.why, row.errno, partial(gpu.ioctl, uapi.IOCTL_AMDGPU_CS, out=None, **client.submission(row))

        try:
            must.answer(f"{len(submissions.ROWS)} submissions", wrong())
        finally:
            gpu.ioctl(uapi.IOCTL_AMDGPU_CTX, op=uapi.AMDGPU_CTX_OP_FREE_CTX, ctx_id=ctx)
            for queue in queues:
                queue.submit(queue.packets.nop()).wait()


@pytest.mark.parametrize("request_", WAITS, ids=["binary", "timeline"])
@behaviour("T15", "a wait for syncobjs ends at the absolute time that it is given", needs="timeline_syncobj")
def test_timeouts_are_absolute_times(gpu: Gpu, shut_fence: ShutFence, must: Must, request_: Ioctl) -> None:
    """Taken for a time from now it would be as far away as the last boot, by another clock over at once."""
    with shut_fence() as pending:
        handles = bytearray(pending.syncobj.handle.to_bytes(4, "little"))

        def wait() -> int:
            deadline = time.monotonic_ns() + ms(30)
            try:
                gpu.ioctl(request_, handles=handles, count_handles=1, timeout_nsec=deadline)
            except DrmError as error:
                return error.errno or 0
            return 0

        started = time.monotonic_ns()
        call = BackgroundCall(wait)
        ended = call.wait(ms(2000))
        took = time.monotonic_ns() - started
        pending.open()
        must.did(f"{request_.name.removeprefix('DRM_IOCTL_')} for a pending fence, until 30 ms from now")
        must.be(
            ended and took >= ms(30) and call.result() == errno.ETIME,
            seen=f"ETIME after {duration(took)}",
            otherwise=f"it {'ended' if ended else 'had not ended'} after {duration(took)}",
            kind="errno",
        )


def calls(
    gpu: Gpu, client: Client, rows: tuple[Row, ...]
) -> Iterator[tuple[str, tuple[int, ...], Callable[[], object]]]:
    """The rows of a table as `Must.answer` takes them."""
    for row in rows:

        def call(row: Row = row) -> object:
            return gpu.ioctl(row.ioctl, out=None, **row.arguments(client))

        yield row.words, row.errnos, call
