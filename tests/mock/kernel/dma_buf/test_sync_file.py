# SPDX-License-Identifier: MIT
"""Sync files, sw_sync and vgem: fences that user space holds and makes (KERNEL.md 6.2)."""

from __future__ import annotations

import errno
import time
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ
from amdgpu_hw.mock.kernel.dma_buf.sw_sync import probe
from amdgpu_hw.mock.kernel.vgem import vgem_drv
from amdgpu_hw.uapi import dma_buf, drm, sw_sync, sync_file, vgem_drm
from tests.mock.kernel.fake_caller import FakeCaller, boot

SECOND = 1_000_000_000


class Setup:
    """A machine with sw_sync and vgem, and one client."""

    def __init__(self) -> None:
        self.kernel = boot()
        probe(self.kernel)
        vgem_drv.probe(self.kernel, 0)
        self.client = FakeCaller(self.kernel, comm="tester")

    def timeline(self) -> int:
        return self.client.open(sw_sync.PATH)

    def fence(self, timeline: int, value: int) -> int:
        """A sync_file of a timeline point."""
        number: int = self.client.ioctl(timeline, sw_sync.IOCTL_CREATE_FENCE, value=value, name=b"x")["fence"]
        return number

    def info(self, fd: int, room: int = 0) -> dict[str, Any]:
        """FILE_INFO with room for that many fences; ``fences``: what was written there."""
        buffer = self.client.alloc(sync_file.FENCE_INFO.size * max(room, 1))
        answer = self.client.ioctl(fd, sync_file.IOCTL_FILE_INFO, num_fences=room, sync_fence_info=buffer)
        size = sync_file.FENCE_INFO.size
        answer["fences"] = [
            sync_file.FENCE_INFO.as_dict(self.client.copy_from_user(buffer + size * index, size))
            for index in range(answer["num_fences"] if room else 0)
        ]
        return answer

    def vgem_buffer(self, card: int) -> int:
        handle: int = self.client.ioctl(card, drm.IOCTL_MODE_CREATE_DUMB, width=64, height=1, bpp=8)["handle"]
        return handle


@pytest.fixture
def setup() -> Setup:
    """A machine with both gates."""
    return Setup()


# -- sw_sync ------------------------------------------------------------------------------------------------------


def test_request_numbers_of_sw_sync() -> None:
    """KERNEL.md 6.2 gives them as numbers, for there is no header."""
    numbers = [i.request for i in (sw_sync.IOCTL_CREATE_FENCE, sw_sync.IOCTL_INC, sw_sync.IOCTL_GET_DEADLINE)]
    assert numbers == [0xC0285700, 0x40045701, 0xC0105702]


def test_counter_signals_what_it_reaches(setup: Setup) -> None:
    """INC adds; poll() reports POLLIN at once on every descriptor of the sync_file."""
    timeline = setup.timeline()
    fences = [setup.fence(timeline, value) for value in (3, 1, 2)]
    readable = [setup.client.file(fd) for fd in fences]
    setup.client.ioctl(timeline, sw_sync.IOCTL_INC, count=2)
    assert [file.readable for file in readable] == [False, True, True]
    setup.client.ioctl(timeline, sw_sync.IOCTL_INC, count=1)
    assert readable[0].readable
    assert setup.client.file(setup.fence(timeline, 3)).readable, "a point that was reached before it was made"


def test_same_value_is_the_same_fence(setup: Setup) -> None:
    """sync_pt_create: a pending point is found again; timelines do not share."""
    one, two = setup.timeline(), setup.timeline()
    fences = [setup.client.file(setup.fence(timeline, 5)).fence for timeline in (one, one, two)]
    assert fences[0] is fences[1]
    assert fences[0] is not fences[2]


def test_counter_wraps(setup: Setup) -> None:
    """Values compare as signed 32-bit differences; an increment of more than INT_MAX goes in steps."""
    timeline = setup.timeline()
    setup.client.ioctl(timeline, sw_sync.IOCTL_INC, count=0xFFFF_FFF0)
    behind_the_wrap = setup.client.file(setup.fence(timeline, 5))
    assert not behind_the_wrap.readable
    setup.client.ioctl(timeline, sw_sync.IOCTL_INC, count=0x15)
    assert behind_the_wrap.readable


def test_closing_the_timeline_fails_its_fences(setup: Setup) -> None:
    """KERNEL.md 6.1: closing signals everything with ENOENT."""
    timeline = setup.timeline()
    fence = setup.fence(timeline, 1)
    setup.client.close(timeline)
    assert setup.info(fence)["status"] == -errno.ENOENT
    assert setup.client.file(fence).readable


def test_deadlines_reach_the_point(setup: Setup) -> None:
    """GET_DEADLINE: ENOENT before anybody asked, then the earliest; EINVAL for other descriptors and dirty outputs."""
    client, timeline = setup.client, setup.timeline()
    fence = setup.fence(timeline, 1)
    get = sw_sync.IOCTL_GET_DEADLINE
    assert client.fails(timeline, get, fence_fd=fence) == errno.ENOENT
    for deadline in (500, 300, 400):
        client.ioctl(fence, sync_file.IOCTL_SET_DEADLINE, deadline_ns=deadline)
    assert client.ioctl(timeline, get, fence_fd=fence)["deadline_ns"] == 300
    assert client.fails(timeline, get, fence_fd=timeline) == errno.EINVAL
    assert client.fails(timeline, get, fence_fd=fence, pad=1) == errno.EINVAL
    assert client.fails(fence, sync_file.IOCTL_SET_DEADLINE, pad=1) == errno.EINVAL


def test_unknown_requests_are_enotty(setup: Setup) -> None:
    """Both files know only their own requests."""
    timeline = setup.timeline()
    assert setup.client.raw(timeline, 0x5799)[0] == errno.ENOTTY
    assert setup.client.raw(setup.fence(timeline, 1), 0x3E99)[0] == errno.ENOTTY


def test_no_fence_for_a_client_that_cannot_take_the_answer(setup: Setup) -> None:
    """CREATE_FENCE with a bad pointer: EFAULT, and no descriptor appears."""
    timeline = setup.timeline()
    before = set(setup.client.files)
    assert setup.client.start_raw(timeline, sw_sync.IOCTL_CREATE_FENCE.request, 16).error == errno.EFAULT
    assert set(setup.client.files) == before


# -- sync_file ----------------------------------------------------------------------------------------------------


def test_file_info(setup: Setup) -> None:
    """FILE_INFO: name, status 0, 1 or an errno, and the fences if there is room for all."""
    timeline = setup.timeline()
    fence = setup.fence(timeline, 1)
    info = setup.info(fence)
    assert (info["status"], info["num_fences"]) == (0, 1)
    assert info["name"].rstrip(b"\0").startswith(b"sw_sync-tester")
    (inner,) = setup.info(fence, room=4)["fences"]
    assert inner["driver_name"].rstrip(b"\0") == b"sw_sync"
    assert inner["timestamp_ns"] == 0
    setup.client.ioctl(timeline, sw_sync.IOCTL_INC, count=1)
    info = setup.info(fence, room=1)
    assert info["status"] == 1
    assert abs(info["fences"][0]["timestamp_ns"] - time.monotonic_ns()) < SECOND
    assert setup.client.fails(fence, sync_file.IOCTL_FILE_INFO, flags=1) == errno.EINVAL


def test_merge(setup: Setup) -> None:
    """MERGE: both fences, one if they are of one timeline; EINVAL for flags, ENOENT for no sync_file."""
    client, one, two = setup.client, setup.timeline(), setup.timeline()
    a, b, later = setup.fence(one, 1), setup.fence(two, 1), setup.fence(one, 2)
    merged = client.ioctl(a, sync_file.IOCTL_MERGE, fd2=b, name=b"both")["fence"]
    info = setup.info(merged)
    assert (info["num_fences"], info["name"].rstrip(b"\0")) == (2, b"both")
    assert client.fails(merged, sync_file.IOCTL_FILE_INFO, num_fences=1) == errno.EINVAL, "no room for both"
    same = client.ioctl(a, sync_file.IOCTL_MERGE, fd2=later)["fence"]
    assert client.file(same).fence is client.file(later).fence
    client.ioctl(one, sw_sync.IOCTL_INC, count=1)
    assert not client.file(merged).readable
    client.close(two)
    assert client.file(merged).readable
    assert setup.info(merged, room=2)["status"] == -errno.ENOENT
    assert client.fails(a, sync_file.IOCTL_MERGE, fd2=b, flags=1) == errno.EINVAL
    assert client.fails(a, sync_file.IOCTL_MERGE, fd2=one) == errno.ENOENT
    assert client.fails(a, sync_file.IOCTL_MERGE, fd2=999) == errno.ENOENT


def test_closed_sync_file_does_not_listen(setup: Setup) -> None:
    """A fence must not keep what nobody has open."""
    timeline = setup.timeline()
    fence = setup.fence(timeline, 1)
    file = setup.client.file(fence)
    setup.client.close(fence)
    setup.client.ioctl(timeline, sw_sync.IOCTL_INC, count=1)
    assert not file.readable


# -- vgem ---------------------------------------------------------------------------------------------------------


def test_vgem_fence_is_a_gate_until_signalled(setup: Setup) -> None:
    """The recipe of KERNEL.md 6.1: dumb buffer, FENCE_ATTACH, dma-buf, EXPORT_SYNC_FILE."""
    client = setup.client
    card = client.open("/dev/dri/card0")
    handle = setup.vgem_buffer(card)
    attach = client.ioctl(card, vgem_drm.IOCTL_FENCE_ATTACH, handle=handle, flags=vgem_drm.VGEM_FENCE_WRITE)
    dmabuf = client.ioctl(card, drm.IOCTL_PRIME_HANDLE_TO_FD, handle=handle)["fd"]
    gate = client.ioctl(dmabuf, dma_buf.IOCTL_EXPORT_SYNC_FILE, flags=dma_buf.DMA_BUF_SYNC_READ)["fd"]
    assert setup.info(gate)["status"] == 0
    client.ioctl(card, vgem_drm.IOCTL_FENCE_SIGNAL, fence=attach["out_fence"])
    assert setup.info(gate)["status"] == 1
    assert client.fails(card, vgem_drm.IOCTL_FENCE_SIGNAL, fence=attach["out_fence"]) == errno.ENOENT


def test_vgem_conflicts_and_errors(setup: Setup) -> None:
    """A write conflicts with everything, a read with writes; flags and padding EINVAL, unknown handle ENOENT."""
    client = setup.client
    card = client.open("/dev/dri/card0")
    handle = setup.vgem_buffer(card)
    attach, write = vgem_drm.IOCTL_FENCE_ATTACH, vgem_drm.VGEM_FENCE_WRITE
    assert client.fails(card, attach, handle=handle, flags=2) == errno.EINVAL
    assert client.fails(card, attach, handle=handle, pad=1) == errno.EINVAL
    assert client.fails(card, attach, handle=99) == errno.ENOENT
    assert client.fails(card, attach, handle=handle) == 0
    assert client.fails(card, attach, handle=handle) == 0, "two readers"
    assert client.fails(card, attach, handle=handle, flags=write) == errno.EBUSY
    signal = vgem_drm.IOCTL_FENCE_SIGNAL
    assert client.fails(card, signal, fence=1, flags=1) == errno.EINVAL
    assert client.fails(card, signal, fence=77) == errno.ENOENT
    assert [client.fails(card, signal, fence=number) for number in (1, 2)] == [0, 0]
    assert client.fails(card, attach, handle=handle, flags=write) == 0
    assert client.fails(card, attach, handle=handle) == errno.EBUSY


def test_vgem_fence_expires(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 10 s (here: 10 ms) it signals by itself, and signalling it is ETIMEDOUT."""
    assert vgem_drm.FENCE_TIMEOUT_NS == 10 * SECOND
    monkeypatch.setattr(vgem_drm, "FENCE_TIMEOUT_NS", 10_000_000)
    client = setup.client
    card = client.open("/dev/dri/card0")
    handle = setup.vgem_buffer(card)
    fence = client.ioctl(card, vgem_drm.IOCTL_FENCE_ATTACH, handle=handle)["out_fence"]
    time.sleep(0.02)
    client.settle()
    assert client.file(card).filp.object_idr.find(handle).resv.test_signaled(DMA_RESV_USAGE_READ)
    assert client.fails(card, vgem_drm.IOCTL_FENCE_SIGNAL, fence=fence) == errno.ETIMEDOUT


def test_closing_vgem_signals(setup: Setup) -> None:
    """A gate does not outlive who made it."""
    client = setup.client
    card = client.open("/dev/dri/renderD128")
    primary = client.open("/dev/dri/card0")
    handle = setup.vgem_buffer(primary)
    dmabuf = client.ioctl(primary, drm.IOCTL_PRIME_HANDLE_TO_FD, handle=handle)["fd"]
    imported = client.ioctl(card, drm.IOCTL_PRIME_FD_TO_HANDLE, fd=dmabuf)["handle"]
    client.ioctl(card, vgem_drm.IOCTL_FENCE_ATTACH, handle=imported, flags=vgem_drm.VGEM_FENCE_WRITE)
    gate = client.ioctl(dmabuf, dma_buf.IOCTL_EXPORT_SYNC_FILE, flags=dma_buf.DMA_BUF_SYNC_READ)["fd"]
    client.close(card)
    assert setup.info(gate)["status"] == 1
    assert setup.kernel.timers.next_deadline() is None, "its timer is gone too"
