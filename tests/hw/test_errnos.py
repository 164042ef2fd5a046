# SPDX-License-Identifier: MIT
"""Errors that every kernel gives alike, whatever else has changed: tables of calls that are wrong in one way each."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable, Iterator

import pytest

from amdgpu_hw.errors import DrmError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.errnos import Row, buffers, syncobjs
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import duration, ms
from amdgpu_hw.sync import BackgroundCall, Syncobj
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import drm
from amdgpu_hw.uapi.layout import Ioctl

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
        return self._address(b"".join(value.to_bytes(4, "little") for value in values))

    def entries(self, *handles: int) -> int:
        """Address of entries of a BO list."""
        return self._address(b"".join(uapi.BO_LIST_ENTRY.pack(bo_handle=handle) for handle in handles))

    def _address(self, data: bytes) -> int:
        self._arrays.append(ctypes.create_string_buffer(data, len(data)))
        return ctypes.addressof(self._arrays[-1])


@pytest.fixture
def eventfd() -> Iterator[int]:
    """A descriptor of an eventfd."""
    fd = os.eventfd(0)
    yield fd
    os.close(fd)


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
