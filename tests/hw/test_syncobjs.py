# SPDX-License-Identifier: MIT
"""Syncobj calls that name several: update fences and input fences are no better than what user space makes of them."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from amdgpu_hw.errors import DrmError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.proof.asleep import comes_to_sleep
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.held import require_pending
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import BackgroundCall, Syncobj
from amdgpu_hw.uapi import drm

ALL = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL
FOR_SUBMIT = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
AVAILABLE = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE


def handles_of(syncobjs: Sequence[Syncobj]) -> bytearray:
    """The array of handles that a call takes."""
    return bytearray(b"".join(syncobj.handle.to_bytes(4, "little") for syncobj in syncobjs))


def u64s(*values: int) -> bytearray:
    """The array of points that a call takes."""
    return bytearray(b"".join(value.to_bytes(8, "little") for value in values))


def wait(gpu: Gpu, syncobjs: Sequence[Syncobj], flags: int, point: int = 0) -> int:
    """Wait for any of them, or as ``flags`` say, for two seconds at most; the number of the one that ended it."""
    answer = gpu.ioctl(
        drm.IOCTL_SYNCOBJ_TIMELINE_WAIT,
        handles=handles_of(syncobjs),
        points=u64s(*[point] * len(syncobjs)),
        count_handles=len(syncobjs),
        flags=flags,
        timeout_nsec=time.monotonic_ns() + ms(2000),
    )
    return int(answer["first_signaled"])


@behaviour("O54", "a call for several syncobjs acts on each of them", needs="timeline_syncobj")
def test_calls_for_several_syncobjs_act_on_each(gpu: Gpu, must: Must) -> None:
    """Signal, points, query and reset; each has another point, so that none can stand for another."""
    syncobjs = [gpu.syncobj() for _ in range(3)]
    handles = handles_of(syncobjs)
    must.did("SIGNAL of three syncobjs")
    gpu.ioctl(drm.IOCTL_SYNCOBJ_SIGNAL, handles=handles, count_handles=3)
    must.equal(
        [syncobj.has_fence() for syncobj in syncobjs], [True] * 3, "whether each of them has a fence:", kind="fence"
    )
    must.did("TIMELINE_SIGNAL of points 3, 5, 7, then QUERY")
    gpu.ioctl(drm.IOCTL_SYNCOBJ_TIMELINE_SIGNAL, handles=handles, points=u64s(3, 5, 7), count_handles=3)
    for flags in (0, drm.DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED):
        points = u64s(0, 0, 0)
        gpu.ioctl(drm.IOCTL_SYNCOBJ_QUERY, handles=handles, points=points, count_handles=3, flags=flags)
        must.equal(points, u64s(3, 5, 7), "QUERY answers, as u64,", kind="fence")
    must.did("RESET of all three")
    gpu.ioctl(drm.IOCTL_SYNCOBJ_RESET, handles=handles, count_handles=3)
    must.equal(
        [syncobj.has_fence() for syncobj in syncobjs], [False] * 3, "whether each of them has a fence:", kind="fence"
    )


@behaviour("O54", "QUERY tells signalled points from those that are only submitted", needs="timeline_syncobj")
def test_query_tells_signalled_points_from_submitted_ones(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """A point that is pending holds those behind it back, although their own fences have signalled."""
    with shut_fence() as pending, gpu.syncobj() as timeline, gpu.syncobj(signaled=True) as binary:
        timeline.signal(2)
        timeline.transfer_from(pending.syncobj, point=4)
        timeline.signal(6)
        must.did("signalled point 2, put a pending fence at 4, signalled point 6")
        must.equal(
            (timeline.query(), timeline.query(last_submitted=True)),
            (2, 6),
            "QUERY of both kinds of points says",
            kind="fence",
        )
        points = [timeline.signaled(point) for point in (1, 2, 3, 4, 6)]
        must.equal(
            points, [True, True, False, False, False], "whether points 1, 2, 3, 4, 6 have signalled:", kind="fence"
        )
        must.equal(binary.query(), 0, "QUERY of a syncobj without a timeline says", kind="fence")
        pending.open()
        must.be(
            timeline.wait(ms(2000), point=6), seen="6 signals then", otherwise="point 6 never signals", kind="fence"
        )
        must.equal(timeline.query(), 6, "QUERY then says", kind="fence")


@pytest.mark.parametrize("last", [0, 1, 2], ids=["first", "second", "last"])
@behaviour("O54", "a point of a timeline has signalled when all points up to it have", needs="timeline_syncobj")
def test_a_point_waits_for_all_before_it(gpu: Gpu, shut_fence: ShutFence, must: Must, last: int) -> None:
    """Three points, whichever of them is the last to signal; nobody looks before the others have."""
    with ExitStack() as gates, gpu.syncobj() as timeline:
        fences = [gates.enter_context(shut_fence()) for _ in range(3)]
        for point, fence in enumerate(fences, 1):
            timeline.transfer_from(fence.syncobj, point=point)
        for fence in fences[:last] + fences[last + 1 :]:
            fence.open()
        for fence in fences[:last]:  # a gate that is a job opens a moment later
            fence.syncobj.wait(ms(500))
        must.did(f"three points of a timeline with a pending fence each; all but that of point {last + 1} signal")
        points = [timeline.signaled(point) for point in (3, 2, 1)]
        reached = timeline.query()
        require_pending(fences[last])
        expected = [point <= last for point in (3, 2, 1)]
        must.equal(points, expected, "whether points 3, 2, 1 have signalled:", kind="fence")
        must.equal(reached, last, "QUERY says", kind="fence")
        fences[last].open()
        must.be(timeline.wait(ms(2000), point=3), seen="3 signals then", otherwise="3 never signals", kind="fence")


@behaviour("O54", "what is copied from a point of a timeline stands for all points up to it", needs="timeline_syncobj")
def test_a_copied_point_stands_for_those_before_it(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """Into a syncobj without a timeline, as an application does for a call that takes no points."""
    with shut_fence() as pending, gpu.syncobj() as timeline, gpu.syncobj() as copy:
        timeline.transfer_from(pending.syncobj, point=1)
        timeline.signal(2)
        copy.transfer_from((timeline, 2))
        must.did("put a pending fence at point 1 of a timeline, signalled point 2, and copied that with TRANSFER")
        signalled = copy.signaled()
        require_pending(pending)
        must.equal(signalled, False, "whether the copy has signalled:", kind="fence")
        pending.open()
        must.be(copy.wait(ms(2000)), seen="then it signals", otherwise="the copy never signals", kind="fence")


@pytest.mark.parametrize("flags", [FOR_SUBMIT, AVAILABLE], ids=["signalled", "available"])
@pytest.mark.parametrize("at", [0, 1, 2], ids=["first", "second", "last"])
@behaviour(
    "O55", "a wait that sleeps for any of several syncobjs ends with one, and says which", needs="timeline_syncobj"
)
def test_a_sleeping_wait_for_any_ends_with_one(gpu: Gpu, must: Must, at: int, flags: int) -> None:
    """None of them has a fence when it begins."""
    syncobjs = [gpu.syncobj() for _ in range(3)]
    with BackgroundCall(lambda: wait(gpu, syncobjs, flags)) as call:
        must.be(comes_to_sleep(call), seen="it sleeps", otherwise="it does not sleep", kind="fence")
        syncobjs[at].signal()
        must.did(f"slept for any of three syncobjs, then signalled number {at}")
        must.equal(call.result(ms(3000)), at, "the wait ended with number", kind="fence")
    must.equal(wait(gpu, syncobjs, flags), at, "another wait ends at once with number", kind="fence")


@behaviour("O55", "a wait that sleeps for all of several syncobjs ends with the last", needs="timeline_syncobj")
def test_a_sleeping_wait_for_all_ends_with_the_last(gpu: Gpu, must: Must) -> None:
    """Whichever that is; those before wake nobody up for good."""
    syncobjs = [gpu.syncobj() for _ in range(3)]
    with BackgroundCall(lambda: wait(gpu, syncobjs, ALL | FOR_SUBMIT)) as call:
        for number in (2, 0):
            syncobjs[number].signal()
            must.did(f"slept for all of three syncobjs, and signalled number {number}")
            otherwise = "it ended although number 1 has no fence"
            must.be(comes_to_sleep(call), seen="it sleeps on", otherwise=otherwise, kind="fence")
        syncobjs[1].signal()
        must.be(call.wait(ms(1500)), seen="it ended", otherwise="it sleeps on with all signalled", kind="fence")
        call.result()


@pytest.mark.parametrize("flags", [FOR_SUBMIT, AVAILABLE], ids=["signalled", "available"])
@behaviour("O55", "a wait for a point that is not there yet ends with that point", needs="timeline_syncobj")
def test_a_sleeping_wait_ends_with_its_own_point(gpu: Gpu, must: Must, flags: int) -> None:
    """Points before it are added meanwhile, to a timeline that was empty."""
    with gpu.syncobj() as timeline, BackgroundCall(lambda: wait(gpu, [timeline], flags, point=5)) as call:
        for point in (2, 4):
            timeline.signal(point)
            must.did(f"slept for point 5 of a timeline, and signalled point {point}")
            otherwise = "it ended although point 5 is not there"
            must.be(comes_to_sleep(call), seen="it sleeps on", otherwise=otherwise, kind="fence")
        timeline.signal(5)
        must.be(call.wait(ms(1500)), seen="it ended", otherwise="it sleeps on with point 5 signalled", kind="fence")
        call.result()


@pytest.mark.parametrize("meanwhile", ["another fence", "RESET"])
@behaviour("O55", "a wait that sleeps is for the fence that was there when it began")
def test_a_sleeping_wait_is_for_the_first_fence(gpu: Gpu, shut_fence: ShutFence, must: Must, meanwhile: str) -> None:
    """Whatever the syncobj holds when that fence signals: a frame's syncobj is used again before all have waited."""
    with shut_fence() as two, shut_fence() as one, gpu.syncobj() as syncobj:
        syncobj.transfer_from(one.syncobj)
        with BackgroundCall(lambda: wait(gpu, [syncobj], FOR_SUBMIT)) as call:
            must.be(comes_to_sleep(call), seen="it sleeps", otherwise="it does not sleep", kind="fence")
            if meanwhile == "RESET":
                syncobj.reset()
            else:
                syncobj.transfer_from(two.syncobj)
            must.did(f"slept for a fence of a syncobj, then {meanwhile} there, and signalled the first")
            one.open()
            ended = call.wait(ms(1000))
            must.be(
                ended,
                seen="the wait ended with the fence that it began with",
                otherwise="the wait sleeps on although the fence has signalled that was there when it began",
                kind="fence",
            )


@pytest.mark.parametrize("at", [0, 1], ids=["first", "last"])
@behaviour(
    "O55",
    "a wait that sleeps for any of several pending fences ends with one, and says which",
    needs="timeline_syncobj",
)
def test_a_sleeping_wait_for_any_ends_with_a_fence(gpu: Gpu, shut_fence: ShutFence, must: Must, at: int) -> None:
    """They are there when it begins: it listens to each of them, not to the syncobjs."""
    with shut_fence() as first, shut_fence() as last:
        syncobjs = [first.syncobj, last.syncobj]
        with BackgroundCall(lambda: wait(gpu, syncobjs, 0)) as call:
            must.be(comes_to_sleep(call), seen="it sleeps", otherwise="it does not sleep", kind="fence")
            (first, last)[at].open()
            must.did(f"slept for any of two pending fences, of which number {at} signalled")
            must.be(call.wait(ms(1500)), seen="it ended", otherwise="it sleeps on: nobody wakes it", kind="fence")
            must.equal(call.result(), at, "the wait ended with number", kind="fence")


@behaviour(
    "O55",
    "a wait that sleeps for all of several syncobjs counts a fence that was taken out again",
    needs="timeline_syncobj",
    rule="It waits for the fence that it was told of (syncobj_wait_syncobj_func), whatever becomes of the syncobj.",
)
def test_a_sleeping_wait_for_all_counts_what_is_reset(gpu: Gpu, must: Must) -> None:
    """As when a frame's semaphore is waited for, and used for the next frame already."""
    syncobjs = [gpu.syncobj() for _ in range(2)]
    with BackgroundCall(lambda: wait(gpu, syncobjs, ALL | FOR_SUBMIT)) as call:
        must.be(comes_to_sleep(call), seen="it sleeps", otherwise="it does not sleep", kind="fence")
        syncobjs[0].signal()
        must.be(comes_to_sleep(call), seen="it sleeps on", otherwise="it ended with one", kind="fence")
        syncobjs[0].reset()
        syncobjs[1].signal()
        must.did("slept for all of two syncobjs; signalled the first and reset it, then signalled the other")
        must.be(call.wait(ms(1500)), seen="it ended", otherwise="it sleeps on: one counts no more", kind="fence")
        call.result()


@behaviour("O55", "a sync file of a job tells on which ring that is")
def test_a_sync_file_tells_the_ring(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """By the name of the timeline (drm_sched_fence_get_timeline_name), by which tools that show waits group them."""
    names = []
    with shut_fence() as pending:
        for queue in (gpu.compute, gpu.sdma):
            job = queue.submit(queue.packets.nop(), wait=[pending.syncobj])
            with job.out_syncobj as syncobj, syncobj.export_sync_file() as file:
                names.append({fence.timeline for fence in file.fences()})
        must.did("a job of compute and one of sdma that wait for a pending fence, and their sync files")
    must.be(
        not names[0] & names[1] and all(names),
        seen=f"they have the timelines {' and '.join(map(', '.join, names))}",
        otherwise=f"their sync files have the timelines {' and '.join(map(', '.join, names))}",
        kind="fence",
    )


@behaviour(
    "O55",
    "a descriptor of a syncobj, and a sync file of a point, show the fence that is there",
    needs="timeline_syncobj",
)
def test_descriptors_show_the_same_fence(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """And the calls change nothing of what they were given but the descriptor, or the handle."""
    with shut_fence() as pending, gpu.syncobj() as empty:
        shared = gpu.ioctl(drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=empty.handle)
        try:
            must.equal(
                (shared["handle"], shared["flags"]),
                (empty.handle, 0),
                "the call left handle and flags at",
                kind="errno",
            )
            other = gpu.ioctl(drm.IOCTL_SYNCOBJ_FD_TO_HANDLE, fd=shared["fd"])
        finally:
            os.close(shared["fd"])
        must.equal(
            (other["fd"], other["flags"]), (shared["fd"], 0), "the call left descriptor and flags at", kind="errno"
        )
        must.did("imported a syncobj from its descriptor, and signalled one of the two")
        empty.signal()
        answer = gpu.ioctl(
            drm.IOCTL_SYNCOBJ_WAIT, handles=bytearray(other["handle"].to_bytes(4, "little")), count_handles=1
        )
        must.equal(answer["first_signaled"], 0, "the other is signalled as number", kind="fence")
        gpu.ioctl(drm.IOCTL_SYNCOBJ_DESTROY, handle=other["handle"])
        with pending.syncobj.export_sync_file() as file:
            must.equal(file.signaled(), False, "whether its sync file has signalled:", kind="fence")
            pending.open()
            must.be(file.wait(ms(2000)), seen="then it signals", otherwise="the sync file never signals", kind="fence")


@pytest.mark.parametrize("flags", [0, AVAILABLE], ids=["signalled", "available"])
@behaviour("O56", "an eventfd is told of a point once, when it signals or is available", needs="timeline_syncobj")
def test_an_eventfd_is_told_of_a_point(gpu: Gpu, shut_fence: ShutFence, must: Must, eventfd: int, flags: int) -> None:
    """Compositors wait so for explicit fences of their clients; nothing is told of the point before it."""
    with shut_fence() as pending, gpu.syncobj() as timeline:
        try:
            gpu.ioctl(drm.IOCTL_SYNCOBJ_EVENTFD, handle=timeline.handle, point=2, fd=eventfd, flags=flags)
        except DrmError as error:
            raise NotTestable(f"needs SYNCOBJ_EVENTFD (Linux 6.6): {error}", missing="syncobj_eventfd") from None
        timeline.signal(1)
        must.equal(told(eventfd), 0, "after point 1 the eventfd for point 2 was told", kind="fence")
        timeline.transfer_from(pending.syncobj, point=2)
        must.did("signalled point 1, put a pending fence at point 2")
        must.equal(told(eventfd), 1 if flags else 0, "after point 2 was submitted it was told", kind="fence")
        pending.open()
        timeline.wait(ms(2000), point=2)
        select.select([eventfd], [], [], 0 if flags else 2)
        must.equal(told(eventfd), 0 if flags else 1, "after it had signalled it was told", kind="fence")


@behaviour("O56", "an eventfd is told of a point that is long past", needs="timeline_syncobj")
def test_an_eventfd_is_told_of_a_past_point(gpu: Gpu, must: Must, eventfd: int) -> None:
    """The timeline has gone beyond it, and has no fence of it any more."""
    with gpu.syncobj() as timeline:
        timeline.signal(1)
        timeline.signal(2)
        must.did("signalled points 1 and 2, then SYNCOBJ_EVENTFD for point 1")
        try:
            gpu.ioctl(drm.IOCTL_SYNCOBJ_EVENTFD, handle=timeline.handle, point=1, fd=eventfd)
        except DrmError as error:
            raise NotTestable(f"needs SYNCOBJ_EVENTFD (Linux 6.6): {error}", missing="syncobj_eventfd") from None
        select.select([eventfd], [], [], 2)
        must.equal(told(eventfd), 1, "within 2 s the eventfd was told so many times:", kind="fence")


@behaviour("O55", "a merge of sync files that have signalled says when the last of them did")
def test_a_merge_says_when_the_last_signalled(gpu: Gpu, must: Must) -> None:
    """Not when they were merged: frame pacing takes it for the time when the work was done."""
    queues = (gpu.compute, gpu.sdma)
    files = []
    for queue in queues:
        job = queue.submit(queue.packets.nop())
        job.wait()
        with job.out_syncobj as syncobj:
            files.append(syncobj.export_sync_file())
        time.sleep(0.005)
    last = max(fence.timestamp_ns for file in files for fence in file.fences())
    with files[0].merge(files[1]) as merged:
        times = [fence.timestamp_ns for fence in merged.fences()]
    for file in files:
        file.close()
    must.did("two jobs of two queues one after the other, then SYNC_IOC_MERGE of their sync files")
    must.be(
        max(times) == last,
        seen="the merged one says when the last job was done",
        otherwise=f"the merged one says {(max(times) - last) / 1e6:.3f} ms after the last job was done",
        kind="fence",
    )


def told(eventfd: int) -> int:
    """How often an eventfd was told since it was asked last."""
    try:
        return os.eventfd_read(eventfd)
    except BlockingIOError:
        return 0
