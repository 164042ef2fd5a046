# SPDX-License-Identifier: MIT
"""Syncobjs, timelines and sync files on an open GPU."""

from __future__ import annotations

import errno
import signal
import time

import pytest

from amdgpu_hw import DrmError, Gpu
from tests.mock.device.cases.gates import Gate, Timeline

MS = 1_000_000


def test_a_new_syncobj_has_no_fence(gpu: Gpu) -> None:
    """Asking whether it has signalled is EINVAL, not False."""
    with gpu.syncobj() as syncobj:
        assert not syncobj.has_fence()
        with pytest.raises(DrmError) as caught:
            syncobj.signaled()
        assert caught.value.errno == errno.EINVAL


def test_signal_and_reset(gpu: Gpu) -> None:
    """The CPU can put a signalled fence in, and take it out."""
    with gpu.syncobj() as syncobj, gpu.syncobj(signaled=True) as born_signaled:
        assert born_signaled.signaled()
        syncobj.signal()
        assert syncobj.signaled()
        assert syncobj.wait(0)
        syncobj.reset()
        assert not syncobj.has_fence()


def test_a_wait_is_bounded(gpu: Gpu, gate: Gate) -> None:
    """It ends when time is up, and at once when the gate opens."""
    start = time.monotonic_ns()
    assert not gate.syncobj.wait(30 * MS)
    assert 30 * MS <= time.monotonic_ns() - start < 1000 * MS
    gate.open()
    assert gate.syncobj.wait(1000 * MS)


def test_a_signal_ends_a_wait(gpu: Gpu, gate: Gate) -> None:
    """Ctrl-C (any handler that raises) is not held up by the kernel restarting the wait."""

    def interrupt(*_args: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    start = time.monotonic_ns()
    try:
        with pytest.raises(KeyboardInterrupt):
            gate.syncobj.wait(20_000 * MS)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic_ns() - start < 10_000 * MS


def test_a_wait_for_a_fence_that_is_not_there_yet(gpu: Gpu) -> None:
    """With for_submit it waits for the fence to come, bounded like any wait."""
    with gpu.syncobj() as syncobj:
        assert not syncobj.wait(10 * MS, for_submit=True)
        syncobj.signal()
        assert syncobj.wait(10 * MS, for_submit=True)


def test_points_of_a_timeline(gpu: Gpu) -> None:
    """They signal in order; query tells how far it got."""
    with gpu.syncobj() as timeline:
        assert timeline.query() == 0
        timeline.signal(3)
        assert timeline.query() == 3
        assert timeline.point(2).signaled()
        assert not timeline.point(4).has_fence()
        assert not timeline.wait(10 * MS, point=4, available=True)
        timeline.signal(4)
        assert timeline.point(4).wait(0)
        assert timeline.query(last_submitted=True) == 4


def test_transfer_copies_a_fence(gpu: Gpu, gate: Gate) -> None:
    """From a binary syncobj to a point and back."""
    with gpu.syncobj() as timeline, gpu.syncobj() as copy:
        timeline.transfer_from(gate.syncobj, point=5)
        copy.transfer_from((timeline, 5))
        assert not copy.signaled()
        gate.open()
        assert copy.wait()
        assert timeline.query() == 5


def test_sync_files_carry_fences(gpu: Gpu, gate: Gate) -> None:
    """Out of one syncobj and into another, also at a point; the file tells what is in it."""
    with gate.syncobj.export_sync_file() as file, gpu.syncobj() as other:
        assert file.status() == 0
        (fence,) = file.fences()
        assert (fence.driver, fence.status) == ("sw_sync", 0)
        other.import_sync_file(file, 9)
        assert not file.wait(10 * MS)
        gate.open()
        assert file.wait()
        assert file.status() == 1
        assert other.point(9).wait()
        with other.export_sync_file(9) as again:
            assert again.signaled()


def test_merged_sync_files_signal_when_both_have(gpu: Gpu) -> None:
    """One fence is not enough."""
    first, second = Timeline(), Timeline()
    try:
        with first.fence() as one, second.fence() as two, one.merge(two) as both:
            assert len(both.fences()) == 2
            first.open()
            assert not both.signaled()
            second.open()
            assert both.wait()
    finally:
        first.close()
        second.close()


def test_an_empty_syncobj_has_nothing_to_export(gpu: Gpu) -> None:
    """EINVAL."""
    with gpu.syncobj() as syncobj, pytest.raises(DrmError) as caught:
        syncobj.export_sync_file()
    assert caught.value.errno == errno.EINVAL


def test_a_syncobj_is_destroyed_with_its_last_reference(gpu: Gpu) -> None:
    """Handles come back without a close, and closing after the GPU does nothing."""
    handle = gpu.syncobj().handle
    again = gpu.syncobj()
    assert again.handle == handle
    gpu.close()
    again.close()
