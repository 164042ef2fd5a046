# SPDX-License-Identifier: MIT
"""Syncobjs (KERNEL.md 1.5, E12)."""

from __future__ import annotations

import errno
import os
import time
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_array import DmaFenceArray
from amdgpu_hw.mock.kernel.drm.drm_syncobj import syncobj as drm_syncobj
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_add_point, drm_syncobj_replace_fence
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS
from amdgpu_hw.mock.kernel.vgem import vgem_drv
from amdgpu_hw.uapi import drm
from tests.mock.kernel import fake_driver
from tests.mock.kernel.fake_caller import Call, FakeCaller, boot
from tests.mock.kernel.fake_driver import RENDER

ALL = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL
FOR_SUBMIT = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
AVAILABLE = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
DEADLINE = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE
SYNC_FILE = drm.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
TIMELINE = drm.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE
FOR_EVER = (1 << 63) - 1
NONE = 0xFFFF_FFFF


class Setup:
    """One client with a render node open."""

    def __init__(self, variant: str = "base") -> None:
        self.kernel = boot(variant)
        fake_driver.probe(self.kernel)
        self.client = FakeCaller(self.kernel)
        self.fd = self.client.open(RENDER)

    def ioctl(self, ioctl: Any, **fields: Any) -> dict[str, Any]:
        return self.client.ioctl(self.fd, ioctl, **fields)

    def fails(self, ioctl: Any, /, **fields: Any) -> int:
        return self.client.fails(self.fd, ioctl, **fields)

    def create(self, flags: int = 0, fence: DmaFence | None = None) -> int:
        handle: int = self.ioctl(drm.IOCTL_SYNCOBJ_CREATE, flags=flags)["handle"]
        if fence is not None:
            self.put(handle, fence)
        return handle

    def syncobj(self, handle: int) -> Any:
        return self.client.file(self.fd).filp.syncobj_idr.find(handle)

    def put(self, handle: int, fence: DmaFence, point: int = 0) -> None:
        """What a driver does with a fence: replace, or add a point."""
        if point:
            drm_syncobj_add_point(self.syncobj(handle), fence, point)
        else:
            drm_syncobj_replace_fence(self.syncobj(handle), fence)

    def wait_args(self, handles: list[int], timeout: int, flags: int, points: list[int] | None) -> dict[str, Any]:
        args = {
            "handles": self.client.u32s(*handles),
            "timeout_nsec": timeout,
            "count_handles": len(handles),
            "flags": flags,
        }
        if points is not None:
            args["points"] = self.client.u64s(*points)
        return args

    def start_wait(
        self, handles: list[int], timeout: int = FOR_EVER, flags: int = 0, points: list[int] | None = None
    ) -> tuple[Call, Any]:
        """A wait that may sleep: the call, and what reads first_signaled."""
        ioctl = drm.IOCTL_SYNCOBJ_WAIT if points is None else drm.IOCTL_SYNCOBJ_TIMELINE_WAIT
        args = self.wait_args(handles, timeout, flags, points)
        call, read = self.client.start_ioctl(self.fd, ioctl, **args)
        return call.settle(), lambda: read()["first_signaled"]

    def wait(
        self, handles: list[int], timeout: int = 0, flags: int = 0, points: list[int] | None = None
    ) -> tuple[int, int]:
        """errno and first_signaled of a wait that ends."""
        call, first = self.start_wait(handles, timeout, flags, points)
        call.wait()
        return call.error, first()

    def query(self, handle: int, flags: int = 0) -> int:
        points = self.client.alloc(8)
        self.ioctl(
            drm.IOCTL_SYNCOBJ_QUERY, handles=self.client.u32s(handle), points=points, count_handles=1, flags=flags
        )
        return self.client.read_u64(points)


@pytest.fixture
def setup() -> Setup:
    """A machine with the newest kernel."""
    return Setup()


def pending() -> DmaFence:
    """A fence that has not signalled."""
    return DmaFence(dma_fence_context_alloc(), 1)


def soon(milliseconds: int = 5) -> int:
    """An absolute time shortly from now, ns."""
    return time.monotonic_ns() + milliseconds * 1_000_000


# -- create, destroy, descriptors ---------------------------------------------------------------------------------


def test_create_and_destroy(setup: Setup) -> None:
    """Flags beyond SIGNALED EINVAL; padding EINVAL before the handle; unknown EINVAL; numbers are used again."""
    assert setup.fails(drm.IOCTL_SYNCOBJ_CREATE, flags=2) == errno.EINVAL
    assert [setup.create(), setup.create(drm.DRM_SYNCOBJ_CREATE_SIGNALED)] == [1, 2]
    assert setup.wait([2]) == (0, 0)
    assert setup.fails(drm.IOCTL_SYNCOBJ_DESTROY, handle=1, pad=1) == errno.EINVAL
    assert setup.fails(drm.IOCTL_SYNCOBJ_DESTROY, handle=1) == 0
    assert setup.fails(drm.IOCTL_SYNCOBJ_DESTROY, handle=1) == errno.EINVAL
    assert setup.create() == 1


def test_driver_without_syncobjs() -> None:
    """EOPNOTSUPP comes before any other check."""
    kernel = boot()
    vgem_drv.probe(kernel, 0)
    client = FakeCaller(kernel)
    assert client.fails(client.open("/dev/dri/renderD128"), drm.IOCTL_SYNCOBJ_CREATE, flags=99) == errno.EOPNOTSUPP


def test_a_syncobj_travels_by_descriptor(setup: Setup) -> None:
    """HANDLE_TO_FD and FD_TO_HANDLE: another file gets the same syncobj under a handle of its own."""
    handle = setup.create()
    fd = setup.ioctl(drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=handle)["fd"]
    other = setup.client.open(RENDER)
    there = setup.client.ioctl(other, drm.IOCTL_SYNCOBJ_FD_TO_HANDLE, fd=fd)["handle"]
    syncobj = setup.syncobj(handle)
    assert setup.client.file(other).filp.syncobj_idr.find(there) is syncobj
    setup.client.close(fd)
    setup.client.close(other)
    assert syncobj.refcount == 1


def test_descriptor_errors(setup: Setup) -> None:
    """Padding, then flags; a point of a whole syncobj EINVAL; unknown handles EINVAL (whole) or ENOENT (sync_file)."""
    to_fd, to_handle = drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, drm.IOCTL_SYNCOBJ_FD_TO_HANDLE
    empty = setup.create()
    assert setup.fails(to_fd, handle=empty, pad=1) == errno.EINVAL
    assert setup.fails(to_fd, handle=empty, flags=4) == errno.EINVAL
    assert setup.fails(to_fd, handle=empty, point=1) == errno.EINVAL
    assert setup.fails(to_fd, handle=empty, point=1, flags=TIMELINE) == errno.EINVAL
    assert setup.fails(to_fd, handle=99) == errno.EINVAL
    assert setup.fails(to_fd, handle=99, flags=SYNC_FILE) == errno.ENOENT
    assert setup.fails(to_fd, handle=empty, flags=SYNC_FILE) == errno.EINVAL, "no fence to export"
    assert setup.fails(to_handle, fd=500) == errno.EINVAL
    assert setup.fails(to_handle, fd=setup.fd) == errno.EINVAL
    assert setup.fails(to_handle, fd=setup.fd, flags=SYNC_FILE, handle=99) == errno.EINVAL, "descriptor before handle"
    sync_file = setup.ioctl(to_fd, handle=setup.create(fence=pending()), flags=SYNC_FILE)["fd"]
    assert setup.fails(to_handle, fd=sync_file, flags=SYNC_FILE, handle=99) == errno.ENOENT


def test_sync_files_of_points(setup: Setup) -> None:
    """E12: the point counts only with the TIMELINE flag; without it, the whole fence goes out, or replaces."""
    fences = [pending(), pending()]
    timeline = setup.create()
    for point, fence in zip((1, 2), fences, strict=True):
        setup.put(timeline, fence, point)
    to_fd, to_handle = drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, drm.IOCTL_SYNCOBJ_FD_TO_HANDLE
    one = setup.ioctl(to_fd, handle=timeline, flags=SYNC_FILE | TIMELINE, point=1)["fd"]
    whole = setup.ioctl(to_fd, handle=timeline, flags=SYNC_FILE, point=1)["fd"]
    assert setup.fails(to_fd, handle=timeline, flags=SYNC_FILE | TIMELINE, point=3) == errno.EINVAL
    fences[0].signal()
    assert (setup.client.file(one).readable, setup.client.file(whole).readable) == (True, False)
    target = setup.create()
    setup.ioctl(to_handle, fd=whole, handle=target, flags=SYNC_FILE, point=7)
    assert setup.query(target, flags=1) == 2, "replaced by the whole timeline, whose last point is 2"
    setup.ioctl(to_handle, fd=one, handle=target, flags=SYNC_FILE | TIMELINE, point=7)
    assert setup.query(target, flags=1) == 7


def test_kernels_before_the_point() -> None:
    """Up to 6.15 the struct has 16 bytes: `point` is not looked at, TIMELINE is an unknown flag."""
    setup = Setup("6.12")
    handle = setup.create(fence=pending())
    assert setup.fails(drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=handle, point=5) == 0
    assert setup.fails(drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=handle, flags=SYNC_FILE | TIMELINE) == errno.EINVAL


def test_old_struct_sizes(setup: Setup) -> None:
    """1.2: numbers of older headers are served: 16 bytes for the descriptor ioctls, 32 and 40 for the waits."""
    handle = setup.create(drm.DRM_SYNCOBJ_CREATE_SIGNALED)
    client = setup.client
    error, after = client.raw(setup.fd, 0xC01064C1, drm.SYNCOBJ_HANDLE.pack(handle=handle)[:16])
    assert error == 0
    assert isinstance(client.file(int.from_bytes(after[8:12], "little")), drm_syncobj.SharedSyncobj)
    args = setup.wait_args([handle], 0, 0, None)
    assert client.raw(setup.fd, 0xC02064C3, drm.SYNCOBJ_WAIT.pack(**args)[:32])[0] == 0
    args = setup.wait_args([handle], 0, 0, [0])
    assert client.raw(setup.fd, 0xC02864CA, drm.SYNCOBJ_TIMELINE_WAIT.pack(**args)[:40])[0] == 0


# -- WAIT ---------------------------------------------------------------------------------------------------------


def test_wait_errors_in_order(setup: Setup) -> None:
    """Flags EINVAL, no handles 0, bad pointer EFAULT, unknown handle ENOENT, no fence EINVAL."""
    wait, timeline_wait = drm.IOCTL_SYNCOBJ_WAIT, drm.IOCTL_SYNCOBJ_TIMELINE_WAIT
    assert setup.fails(wait, flags=AVAILABLE) == errno.EINVAL
    assert setup.fails(timeline_wait, flags=16) == errno.EINVAL
    assert setup.fails(wait, handles=16, count_handles=0) == 0
    assert setup.fails(wait, handles=16, count_handles=1) == errno.EFAULT
    assert setup.fails(wait, handles=16, count_handles=0xFFFF_FFFF) == errno.ENOMEM
    empty, done = setup.create(), setup.create(drm.DRM_SYNCOBJ_CREATE_SIGNALED)
    assert setup.wait([done, 99])[0] == errno.ENOENT
    assert setup.wait([done, empty])[0] == errno.EINVAL, "even though another is signalled"
    assert setup.wait([done, empty], flags=FOR_SUBMIT) == (0, 0)
    handles = setup.client.u32s(done)
    assert setup.fails(timeline_wait, handles=handles, points=16, count_handles=1) == errno.EFAULT


def test_wait_for_any_and_for_all(setup: Setup) -> None:
    """first_signaled: who was found, who ended the wait, or nobody (0xFFFFFFFF) with ALL."""
    fences = [pending(), pending()]
    handles = [setup.create(fence=fence) for fence in fences]
    assert setup.wait(handles)[0] == errno.ETIME
    any_call, any_first = setup.start_wait(handles)
    all_call, all_first = setup.start_wait(handles, flags=ALL)
    fences[1].signal()
    assert (any_call.settle().error, any_call.done, any_first()) == (0, True, 1)
    assert not all_call.done
    late_all, late_first = setup.start_wait(handles, flags=ALL)
    fences[0].signal()
    assert (all_call.settle().done, all_first()) == (True, NONE)
    assert (late_all.done, late_first()) == (True, 1), "what the first scan found"
    assert setup.wait(handles, flags=ALL) == (0, 0)


def test_timeout_is_absolute_and_nothing_is_written(setup: Setup) -> None:
    """0, negative and past poll; a deadline that passes gives ETIME and leaves first_signaled alone."""
    handle = setup.create(fence=pending())
    for timeout in (0, -1, 1):
        assert setup.wait([handle], timeout=timeout) == (errno.ETIME, 0)
    deadline = soon(10)
    assert setup.wait([handle], timeout=deadline) == (errno.ETIME, 0)
    assert time.monotonic_ns() >= deadline


def test_a_signal_interrupts_and_nothing_is_left(setup: Setup) -> None:
    """ERESTARTSYS; the fence keeps no callback of a wait that is over."""
    fence = pending()
    call, _ = setup.start_wait([setup.create(fence=fence)])
    assert fence._callbacks
    assert call.interrupt().error == ERESTARTSYS
    assert not fence._callbacks


def test_a_killed_waiter_leaves_nothing(setup: Setup) -> None:
    """SIGKILL in the middle of a wait for submission and for a fence."""
    fence, empty = pending(), setup.create()
    call, _ = setup.start_wait([empty, setup.create(fence=fence)], flags=FOR_SUBMIT)
    assert call.kill()
    assert not fence._callbacks
    assert not setup.syncobj(empty).listeners


def test_wait_for_submit(setup: Setup) -> None:
    """FOR_SUBMIT: sleeps until there is a fence, then for it; the fence counts even if the syncobj is reset first."""
    handle, fence = setup.create(), pending()
    call, _ = setup.start_wait([handle], flags=FOR_SUBMIT)
    assert not call.done
    setup.put(handle, fence)
    drm_syncobj_replace_fence(setup.syncobj(handle), None)
    assert not call.settle().done
    fence.signal()
    assert call.settle().done


def test_wait_available(setup: Setup) -> None:
    """AVAILABLE is satisfied as soon as the point is submitted, signalled or not."""
    handle = setup.create()
    call, first = setup.start_wait([handle], flags=AVAILABLE, points=[3])
    assert not call.done
    setup.put(handle, pending(), 2)
    assert not call.settle().done
    setup.put(handle, pending(), 4)
    assert (call.settle().done, first()) == (True, 0)
    assert setup.wait([handle], flags=AVAILABLE, points=[4]) == (0, 0)


def test_timeline_points(setup: Setup) -> None:
    """A point waits for all earlier ones; a point that is not there yet is EINVAL; one that is done is done."""
    fences = [pending(), pending()]
    handle = setup.create()
    setup.put(handle, fences[0], 10)
    setup.put(handle, fences[1], 20)
    fences[1].signal()
    assert setup.wait([handle], points=[20])[0] == errno.ETIME
    assert setup.wait([handle], points=[21])[0] == errno.EINVAL
    call, _ = setup.start_wait([handle], points=[15])
    fences[0].signal()
    assert call.settle().error == 0
    assert setup.wait([handle], points=[5]) == (0, 0)


def test_deadline_hint_reaches_the_fence(setup: Setup) -> None:
    """WAIT_DEADLINE tells the fences before the wait sleeps."""
    seen: list[int] = []

    class Fence(DmaFence):
        def set_deadline(self, deadline_ns: int) -> None:
            seen.append(deadline_ns)

    handle = setup.create(fence=Fence(dma_fence_context_alloc(), 1))
    args = setup.wait_args([handle], 0, DEADLINE, None)
    assert setup.fails(drm.IOCTL_SYNCOBJ_WAIT, deadline_nsec=1234, **args) == errno.ETIME
    assert seen == [1234]


# -- RESET, SIGNAL, QUERY, TRANSFER -------------------------------------------------------------------------------


def test_reset_and_signal(setup: Setup) -> None:
    """Padding and no handles EINVAL; ENOENT for any unknown one, and then nothing has changed."""
    handle = setup.create()
    array = setup.client.u32s(handle)
    for ioctl in (drm.IOCTL_SYNCOBJ_RESET, drm.IOCTL_SYNCOBJ_SIGNAL):
        assert setup.fails(ioctl, handles=array, count_handles=1, pad=1) == errno.EINVAL
        assert setup.fails(ioctl, handles=array) == errno.EINVAL
        assert setup.fails(ioctl, handles=16, count_handles=1) == errno.EFAULT
        assert setup.fails(ioctl, handles=setup.client.u32s(handle, 99), count_handles=2) == errno.ENOENT
    assert setup.wait([handle])[0] == errno.EINVAL
    setup.ioctl(drm.IOCTL_SYNCOBJ_SIGNAL, handles=array, count_handles=1)
    assert setup.wait([handle]) == (0, 0)
    setup.ioctl(drm.IOCTL_SYNCOBJ_RESET, handles=array, count_handles=1)
    assert setup.wait([handle])[0] == errno.EINVAL


def test_timeline_signal(setup: Setup) -> None:
    """A signalled point behind a pending one is not reached; points NULL means 0 for each."""
    handle, fence = setup.create(), pending()
    array = setup.client.u32s(handle)
    signal = drm.IOCTL_SYNCOBJ_TIMELINE_SIGNAL
    assert setup.fails(signal, handles=array, count_handles=1, flags=1) == errno.EINVAL
    assert setup.fails(signal, handles=array) == errno.EINVAL
    assert setup.fails(signal, handles=array, points=16, count_handles=1) == errno.EFAULT
    setup.put(handle, fence, 1)
    setup.ioctl(signal, handles=array, points=setup.client.u64s(5), count_handles=1)
    assert (setup.query(handle), setup.query(handle, flags=1)) == (0, 5)
    fence.signal()
    assert setup.query(handle) == 5
    fresh = setup.create()
    setup.ioctl(signal, handles=setup.client.u32s(fresh), count_handles=1)
    assert setup.wait([fresh]) == (0, 0)


def test_query(setup: Setup) -> None:
    """The highest point with everything up to it done; 0 for a syncobj that is no timeline."""
    fences = [pending() for _ in range(3)]
    handle = setup.create()
    assert setup.query(handle) == 0
    for point, fence in zip((3, 5, 9), fences, strict=True):
        setup.put(handle, fence, point)
    assert [setup.query(handle), setup.query(handle, flags=1)] == [0, 9]
    fences[0].signal()
    assert setup.query(handle) == 3
    fences[2].signal()
    assert setup.query(handle) == 3
    fences[1].signal()
    assert setup.query(handle) == 9
    query = drm.IOCTL_SYNCOBJ_QUERY
    array = setup.client.u32s(handle)
    assert setup.fails(query, handles=array, count_handles=1, flags=2) == errno.EINVAL
    assert setup.fails(query, handles=array) == errno.EINVAL
    assert setup.fails(query, handles=setup.client.u32s(99), count_handles=1) == errno.ENOENT
    assert setup.fails(query, handles=array, points=16, count_handles=1) == errno.EFAULT


def test_transfer(setup: Setup) -> None:
    """Padding EINVAL, unknown destination ENOENT first, then the source: ENOENT, flags EINVAL, no such point EINVAL."""
    transfer = drm.IOCTL_SYNCOBJ_TRANSFER
    source, target, fence = setup.create(), setup.create(), pending()
    assert setup.fails(transfer, src_handle=99, dst_handle=99, pad=1) == errno.EINVAL
    assert setup.fails(transfer, src_handle=source, dst_handle=99, flags=8) == errno.ENOENT
    assert setup.fails(transfer, src_handle=99, dst_handle=target, flags=8) == errno.ENOENT
    assert setup.fails(transfer, src_handle=source, dst_handle=target, flags=8) == errno.EINVAL
    assert setup.fails(transfer, src_handle=99, dst_handle=target) == errno.ENOENT
    assert setup.fails(transfer, src_handle=source, dst_handle=target) == errno.EINVAL
    setup.put(source, fence, 4)
    assert setup.fails(transfer, src_handle=source, dst_handle=target, src_point=5) == errno.EINVAL
    setup.ioctl(transfer, src_handle=source, dst_handle=target, src_point=4, dst_point=8)
    assert setup.query(target, flags=1) == 8
    assert setup.syncobj(target).fence.fence is fence, "a point must contain the plain fence, not a chain"
    setup.ioctl(transfer, src_handle=source, dst_handle=target, src_point=4)
    assert setup.syncobj(target).fence is setup.syncobj(source).fence


def test_transfer_waits_for_submit(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """With FOR_SUBMIT it sleeps until the point is there, 5 s at most (here: 10 ms), then ETIME."""
    assert drm_syncobj.DRM_SYNCOBJ_WAIT_FOR_SUBMIT_TIMEOUT == 5_000_000_000
    source, target, fence = setup.create(), setup.create(), pending()
    fields = {"src_handle": source, "dst_handle": target, "src_point": 2, "dst_point": 1, "flags": FOR_SUBMIT}
    call, _ = setup.client.start_ioctl(setup.fd, drm.IOCTL_SYNCOBJ_TRANSFER, **fields)
    assert not call.settle().done
    setup.put(source, fence, 2)
    assert call.settle().error == 0
    assert setup.query(target, flags=1) == 1
    monkeypatch.setattr(drm_syncobj, "DRM_SYNCOBJ_WAIT_FOR_SUBMIT_TIMEOUT", 10_000_000)
    assert setup.fails(drm.IOCTL_SYNCOBJ_TRANSFER, **(fields | {"src_point": 99})) == errno.ETIME
    call, _ = setup.client.start_ioctl(setup.fd, drm.IOCTL_SYNCOBJ_TRANSFER, **(fields | {"src_point": 99}))
    assert call.interrupt().error == ERESTARTSYS
    assert not setup.syncobj(source).listeners


# -- EVENTFD ------------------------------------------------------------------------------------------------------


class Eventfd:
    """An eventfd of the client, seen from the test."""

    def __init__(self, setup: Setup, initial: int = 0) -> None:
        self.host_fd = os.eventfd(initial, os.EFD_NONBLOCK)
        self.fd = setup.client.add_foreign(self.host_fd)

    def count(self) -> int:
        try:
            return os.eventfd_read(self.host_fd)
        except BlockingIOError:
            return 0


def open_descriptors() -> int:
    """How many descriptors this process, and so the mock kernel, has."""
    return len(os.listdir("/proc/self/fd"))


def test_eventfd_counts_one_when_the_point_signals(setup: Setup) -> None:
    """Also when the point is submitted only later; immediately when it is done."""
    handle, fence, event = setup.create(), pending(), Eventfd(setup)
    before = open_descriptors()
    setup.ioctl(drm.IOCTL_SYNCOBJ_EVENTFD, handle=handle, point=2, fd=event.fd)
    setup.put(handle, fence, 2)
    assert event.count() == 0
    fence.signal()
    assert event.count() == 1
    setup.ioctl(drm.IOCTL_SYNCOBJ_EVENTFD, handle=handle, point=2, fd=event.fd)
    assert event.count() == 1
    assert open_descriptors() == before, "the kernel kept a descriptor"


def test_eventfd_of_a_submission(setup: Setup) -> None:
    """AVAILABLE: counts when the point is submitted."""
    handle, event = setup.create(), Eventfd(setup)
    setup.ioctl(drm.IOCTL_SYNCOBJ_EVENTFD, handle=handle, point=2, fd=event.fd, flags=AVAILABLE)
    setup.put(handle, pending(), 1)
    assert event.count() == 0
    setup.put(handle, pending(), 2)
    assert event.count() == 1


def test_eventfd_ends_with_its_syncobj(setup: Setup) -> None:
    """The syncobj is destroyed before anything was submitted: the descriptor is given back, nothing is counted."""
    handle, event = setup.create(), Eventfd(setup)
    before = open_descriptors()
    setup.ioctl(drm.IOCTL_SYNCOBJ_EVENTFD, handle=handle, fd=event.fd)
    assert open_descriptors() == before + 1
    setup.ioctl(drm.IOCTL_SYNCOBJ_DESTROY, handle=handle)
    assert open_descriptors() == before
    assert event.count() == 0


def test_full_eventfd_does_not_block_the_kernel(setup: Setup) -> None:
    """A counter at its maximum is left alone."""
    event = Eventfd(setup, 0)
    os.eventfd_write(event.host_fd, 0xFFFF_FFFF_FFFF_FFFE)
    os.set_blocking(event.host_fd, True)
    setup.ioctl(
        drm.IOCTL_SYNCOBJ_EVENTFD, handle=setup.create(drm.DRM_SYNCOBJ_CREATE_SIGNALED), fd=event.fd, flags=AVAILABLE
    )
    assert event.count() == 0xFFFF_FFFF_FFFF_FFFE


def test_eventfd_errors(setup: Setup) -> None:
    """Flags, padding EINVAL; handle ENOENT; descriptor closed EBADF, of another kind EINVAL."""
    handle, event = setup.create(), Eventfd(setup)
    before = open_descriptors()
    ioctl = drm.IOCTL_SYNCOBJ_EVENTFD
    assert setup.fails(ioctl, handle=handle, fd=event.fd, flags=1) == errno.EINVAL
    assert setup.fails(ioctl, handle=handle, fd=event.fd, pad=1) == errno.EINVAL
    assert setup.fails(ioctl, handle=99, fd=999) == errno.ENOENT
    assert setup.fails(ioctl, handle=handle, fd=999) == errno.EBADF
    assert setup.fails(ioctl, handle=handle, fd=setup.fd) == errno.EINVAL
    assert setup.fails(ioctl, handle=handle, fd=setup.client.add_foreign(0)) == errno.EINVAL
    assert open_descriptors() == before


def test_closing_the_file_drops_its_syncobjs(setup: Setup) -> None:
    """Nothing keeps them but descriptors."""
    syncobj = setup.syncobj(setup.create(fence=pending()))
    setup.client.close(setup.fd)
    assert (syncobj.refcount, syncobj.fence) == (0, None)


def test_points_cannot_be_nested(setup: Setup) -> None:
    """Exporting a point and importing it as another, over and over, must not build a fence that is ever deeper."""
    fence, handle = pending(), setup.create()
    setup.put(handle, pending(), 1)
    setup.put(handle, fence, 2)
    for point in range(3, 50):
        to_fd = {"handle": handle, "flags": SYNC_FILE | TIMELINE, "point": point - 1}
        fd = setup.ioctl(drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, **to_fd)["fd"]
        setup.ioctl(drm.IOCTL_SYNCOBJ_FD_TO_HANDLE, **(to_fd | {"fd": fd, "point": point}))
        setup.client.close(fd)
    assert isinstance(setup.syncobj(handle).fence.fence, DmaFenceArray)
    assert {part.__class__ for part in setup.syncobj(handle).fence.fence.fences} == {DmaFence}


def test_many_pending_points(setup: Setup) -> None:
    """Twenty thousand unsignalled points: added, queried and signalled one after the other."""
    handle = setup.create()
    fences = [pending() for _ in range(20_000)]
    for point, fence in enumerate(fences, start=1):
        setup.put(handle, fence, point)
    call, _ = setup.start_wait([handle], points=[20_000])
    for fence in fences:
        fence.signal()
    assert call.settle().done
    assert setup.query(handle) == 20_000
