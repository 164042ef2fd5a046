# SPDX-License-Identifier: MIT
"""Handles, names, mapping and sharing of buffers (KERNEL.md 1.4)."""

from __future__ import annotations

import errno
import mmap
import os
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ, DMA_RESV_USAGE_WRITE
from amdgpu_hw.mock.kernel.drm import drm_file
from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject, drm_gem_handle_delete
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.vgem import vgem_drv
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, WaitQueue
from amdgpu_hw.uapi import dma_buf, drm
from tests.mock.kernel import fake_driver
from tests.mock.kernel.fake_caller import Call, FakeCaller, boot
from tests.mock.kernel.fake_driver import CARD, RENDER

PAGE = 4096


class Setup:
    """The fake device and vgem, one client, and what the driver's hooks were called with."""

    def __init__(self, **changes: Any) -> None:
        self.kernel = boot()
        self.events: list[tuple[str, int]] = []
        hooks = {
            "gem_object_open": lambda obj, filp: self.events.append(("open", obj.size)),
            "gem_object_close": lambda obj, filp: self.events.append(("close", obj.size)),
        }
        self.dev = fake_driver.probe(self.kernel, **(hooks | changes))
        vgem_drv.probe(self.kernel, 0)
        self.client = FakeCaller(self.kernel)
        self.fd = self.client.open(CARD)

    def buffer(self, pages: int = 1, fd: int | None = None) -> int:
        """A handle of a new buffer."""
        fd = self.fd if fd is None else fd
        answer = self.client.ioctl(fd, drm.IOCTL_MODE_CREATE_DUMB, width=PAGE, height=pages, bpp=8)
        assert answer["size"] == pages * PAGE
        handle: int = answer["handle"]
        return handle

    def object(self, handle: int, fd: int | None = None) -> Any:
        """The object behind a handle."""
        return self.client.file(self.fd if fd is None else fd).filp.object_idr.find(handle)

    def export(self, handle: int, fd: int | None = None) -> int:
        """A dma-buf descriptor."""
        answer = self.client.ioctl(
            self.fd if fd is None else fd, drm.IOCTL_PRIME_HANDLE_TO_FD, handle=handle, flags=drm.DRM_CLOEXEC
        )
        number: int = answer["fd"]
        return number

    def import_(self, dmabuf: int, fd: int) -> int:
        """A handle for a dma-buf descriptor."""
        number: int = self.client.ioctl(fd, drm.IOCTL_PRIME_FD_TO_HANDLE, fd=dmabuf)["handle"]
        return number


@pytest.fixture
def setup() -> Setup:
    """A machine with two devices."""
    return Setup()


def pending() -> DmaFence:
    """A fence that has not signalled."""
    return DmaFence(dma_fence_context_alloc(), 1)


# -- handles ------------------------------------------------------------------------------------------------------


def test_close_frees_handle_and_object(setup: Setup) -> None:
    """Unknown handles are EINVAL, padding is not looked at, numbers are used again, the hooks see both ends."""
    client, fd = setup.client, setup.fd
    handles = [setup.buffer(), setup.buffer(2)]
    assert handles == [1, 2]
    obj = setup.object(1)
    assert client.fails(fd, drm.IOCTL_GEM_CLOSE, handle=1, pad=77) == 0
    assert obj.refcount == 0
    assert setup.events == [("open", PAGE), ("open", 2 * PAGE), ("close", PAGE)]
    assert client.fails(fd, drm.IOCTL_GEM_CLOSE, handle=1) == errno.EINVAL
    assert setup.buffer() == 1


def test_closing_the_file_closes_its_handles(setup: Setup) -> None:
    """With the last descriptor, in whichever process it is."""
    other = FakeCaller(setup.kernel)
    shared = setup.client.share(setup.fd, other)
    obj = setup.object(setup.buffer())
    setup.client.close(setup.fd)
    assert obj.refcount == 1
    other.close(shared)
    assert obj.refcount == 0
    assert setup.events[-1] == ("close", PAGE)
    assert setup.dev.filelist == {}


def test_refused_handle_leaves_nothing() -> None:
    """A driver that says no in its open hook: the number is free again and the object goes."""

    def refuse(obj: DrmGemObject, filp: Any) -> None:
        raise KernelError(errno.EPERM)

    setup = Setup(gem_object_open=refuse)
    number = setup.client.fails(setup.fd, drm.IOCTL_MODE_CREATE_DUMB, width=1, height=1, bpp=8)
    assert number == errno.EPERM
    assert len(setup.client.file(setup.fd).filp.object_idr) == 0


def test_close_that_sleeps_keeps_the_number() -> None:
    """amdgpu's close hook may wait for a lock: meanwhile nobody finds the handle, and its number is not given out."""
    queue = WaitQueue()

    def close(obj: DrmGemObject, filp: Any) -> Blocking[None]:
        yield Sleep((queue,), interruptible=False)

    setup = Setup(gem_object_close=close)
    handle = setup.buffer()
    call, _ = setup.client.start_ioctl(setup.fd, drm.IOCTL_GEM_CLOSE, handle=handle)
    assert not call.settle().done
    assert setup.client.fails(setup.fd, drm.IOCTL_GEM_CLOSE, handle=handle) == errno.EINVAL
    assert setup.buffer() == 2
    queue.wake_all()
    assert call.settle().done
    assert setup.buffer() == 1


def test_change_handle(setup: Setup) -> None:
    """GEM_CHANGE_HANDLE: ENOENT, 0 for the same number, ENOSPC when taken; the dma-buf follows."""
    client, fd = setup.client, setup.fd
    one, two = setup.buffer(), setup.buffer()
    dmabuf = setup.export(one)
    assert client.fails(fd, drm.IOCTL_GEM_CHANGE_HANDLE, handle=9, new_handle=10) == errno.ENOENT
    assert client.fails(fd, drm.IOCTL_GEM_CHANGE_HANDLE, handle=one, new_handle=one) == 0
    assert client.fails(fd, drm.IOCTL_GEM_CHANGE_HANDLE, handle=one, new_handle=two) == errno.ENOSPC
    assert client.fails(fd, drm.IOCTL_GEM_CHANGE_HANDLE, handle=one, new_handle=70) == 0
    assert client.fails(fd, drm.IOCTL_GEM_CLOSE, handle=one) == errno.EINVAL
    assert setup.import_(dmabuf, fd) == 70


def test_flink_and_open(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is the same every time, opens in other files of the device, and dies with the last handle."""
    monkeypatch.setattr(drm_file, "capable", lambda caller: True)  # the other file is no master, and authenticated
    client, fd = setup.client, setup.fd
    handle = setup.buffer(3)
    assert client.fails(fd, drm.IOCTL_GEM_FLINK, handle=99) == errno.ENOENT
    name = client.ioctl(fd, drm.IOCTL_GEM_FLINK, handle=handle)["name"]
    assert client.ioctl(fd, drm.IOCTL_GEM_FLINK, handle=handle)["name"] == name
    other = client.open(CARD)
    opened = client.ioctl(other, drm.IOCTL_GEM_OPEN, name=name)
    assert opened["size"] == 3 * PAGE
    assert setup.object(opened["handle"], other) is setup.object(handle)
    client.ioctl(fd, drm.IOCTL_GEM_CLOSE, handle=handle)
    assert client.fails(fd, drm.IOCTL_GEM_OPEN, name=name) == 0, "the other file still has a handle"
    client.close(other)
    client.close(fd)
    fresh = client.open(CARD)
    assert client.fails(fresh, drm.IOCTL_GEM_OPEN, name=name) == errno.ENOENT


# -- dumb buffers, mmap -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "bpp"), [(0, 1, 8), (1, 0, 8), (1, 1, 0), (1 << 31, 4, 32), (1, 1, 0xFFFF_FFFF)]
)
def test_impossible_dumb_buffers(setup: Setup, width: int, height: int, bpp: int) -> None:
    """drm_mode_create_dumb: nothing of size 0, nothing that does not fit in 32 bits."""
    fields = {"width": width, "height": height, "bpp": bpp}
    assert setup.client.fails(setup.fd, drm.IOCTL_MODE_CREATE_DUMB, **fields) == errno.EINVAL


def test_mapped_buffer_is_memory(setup: Setup) -> None:
    """MODE_MAP_DUMB gives an offset to map; two files of the device see one memory."""
    client = setup.client
    handle = setup.buffer(2)
    offset = client.ioctl(setup.fd, drm.IOCTL_MODE_MAP_DUMB, handle=handle)["offset"]
    assert client.ioctl(setup.fd, drm.IOCTL_MODE_MAP_DUMB, handle=handle)["offset"] == offset
    host_fd, host_offset = client.file(setup.fd).mmap(client, offset, 2 * PAGE, mmap.PROT_READ, mmap.MAP_SHARED)
    with mmap.mmap(host_fd, 2 * PAGE, offset=host_offset) as view:
        view[:4] = b"data"
        assert os.pread(host_fd, 4, 0) == b"data"
    assert client.fails(setup.fd, drm.IOCTL_MODE_MAP_DUMB, handle=99) == errno.ENOENT


def test_mapping_needs_a_handle_in_this_file(setup: Setup) -> None:
    """KERNEL.md 2.4: another file gets EACCES; a wrong offset or length EINVAL; a freed object's offset EINVAL."""
    client = setup.client
    handle = setup.buffer()
    offset = client.ioctl(setup.fd, drm.IOCTL_MODE_MAP_DUMB, handle=handle)["offset"]

    def errno_of(fd: int, at: int, length: int) -> int:
        return Call(client, lambda: client.file(fd).mmap(client, at, length, 0, 0)).error

    assert errno_of(client.open(RENDER), offset, PAGE) == errno.EACCES
    assert errno_of(setup.fd, offset + PAGE, PAGE) == errno.EINVAL
    assert errno_of(setup.fd, offset, 2 * PAGE) == errno.EINVAL
    client.ioctl(setup.fd, drm.IOCTL_MODE_DESTROY_DUMB, handle=handle)
    assert errno_of(setup.fd, offset, PAGE) == errno.EINVAL


# -- PRIME --------------------------------------------------------------------------------------------------------


def test_export_errors(setup: Setup) -> None:
    """Flags beyond CLOEXEC and RDWR EINVAL before the handle is looked at, unknown handle ENOENT."""
    client, fd = setup.client, setup.fd
    assert client.fails(fd, drm.IOCTL_PRIME_HANDLE_TO_FD, handle=99, flags=1) == errno.EINVAL
    assert client.fails(fd, drm.IOCTL_PRIME_HANDLE_TO_FD, handle=99) == errno.ENOENT


def test_import_errors(setup: Setup) -> None:
    """A closed descriptor EBADF, anything else that is not a dma-buf EINVAL."""
    client, fd = setup.client, setup.fd
    assert client.fails(fd, drm.IOCTL_PRIME_FD_TO_HANDLE, fd=500) == errno.EBADF
    assert client.fails(fd, drm.IOCTL_PRIME_FD_TO_HANDLE, fd=fd) == errno.EINVAL
    assert client.fails(fd, drm.IOCTL_PRIME_FD_TO_HANDLE, fd=client.add_foreign(0)) == errno.EINVAL


def test_export_twice_is_one_dma_buf_and_import_gives_the_same_handle(setup: Setup) -> None:
    """Also for a buffer that came from another file; one GEM_CLOSE ends the handle however often it was imported."""
    client, fd = setup.client, setup.fd
    handle = setup.buffer()
    first, second = setup.export(handle), setup.export(handle)
    assert first != second
    assert client.file(first) is client.file(second)
    assert setup.import_(first, fd) == handle
    render = client.open(RENDER)
    imported = setup.import_(first, render)
    assert setup.import_(second, render) == imported
    assert setup.object(imported, render) is setup.object(handle), "same device: the very same object"
    client.ioctl(render, drm.IOCTL_GEM_CLOSE, handle=imported)
    assert client.fails(render, drm.IOCTL_GEM_CLOSE, handle=imported) == errno.EINVAL


def test_dma_buf_outlives_handles_and_ends_with_its_descriptors(setup: Setup) -> None:
    """No leak, no early free: whatever the order in which handles and descriptors go."""
    client, fd = setup.client, setup.fd
    handle = setup.buffer()
    obj = setup.object(handle)
    dmabuf = setup.export(handle)
    client.ioctl(fd, drm.IOCTL_GEM_CLOSE, handle=handle)
    assert obj.refcount == 1
    handle = setup.import_(dmabuf, fd)
    assert setup.object(handle) is obj
    client.close(dmabuf)
    assert obj.refcount > 0
    again = setup.export(handle)
    client.ioctl(fd, drm.IOCTL_GEM_CLOSE, handle=handle)
    client.close(again)
    assert obj.refcount == 0


def test_no_descriptor_left_when_the_client_has_no_room(setup: Setup) -> None:
    """EMFILE, and the buffer is not kept alive by a descriptor that never was."""
    client, fd = setup.client, setup.fd
    handle = setup.buffer()
    obj = setup.object(handle)
    client.max_files = len(client.files)
    assert client.fails(fd, drm.IOCTL_PRIME_HANDLE_TO_FD, handle=handle) == errno.EMFILE
    client.ioctl(fd, drm.IOCTL_GEM_CLOSE, handle=handle)
    assert obj.refcount == 0


def test_foreign_buffers_share_memory_and_fences(setup: Setup) -> None:
    """vgem imports a buffer of another device: same reservation object, same memory; cannot be dumb-mapped."""
    client = setup.client
    vgem = client.open("/dev/dri/card0")
    handle = setup.buffer()
    dmabuf = setup.export(handle)
    imported = setup.import_(dmabuf, vgem)
    foreign, own = setup.object(imported, vgem), setup.object(handle)
    assert foreign is not own
    assert foreign.resv is own.resv
    assert foreign.mmap(0, PAGE, 0, 0) == own.mmap(0, PAGE, 0, 0)
    assert client.fails(vgem, drm.IOCTL_MODE_MAP_DUMB, handle=imported) == errno.EINVAL
    assert client.file(setup.export(imported, vgem)) is client.file(dmabuf), "re-export gives the original dma-buf"
    for number in [number for number in client.files if number > max(setup.fd, vgem)]:
        client.close(number)
    client.close(vgem)
    client.close(setup.fd)
    assert (foreign.refcount, own.refcount) == (0, 0)


def test_dma_buf_size_name_and_mapping(setup: Setup) -> None:
    """lseek(SEEK_END) is the size, the name shows in /proc, mapping beyond the end is EINVAL."""
    client = setup.client
    dmabuf = setup.export(setup.buffer(2))
    file = client.file(dmabuf)
    assert file.seek_end() == 2 * PAGE
    assert file.stat().size == 2 * PAGE
    assert file.name == "/dmabuf:"
    assert client.start_raw(dmabuf, dma_buf.IOCTL_SET_NAME.request, client.alloc(b"texture\0")).error == 0
    assert file.name == "/dmabuf:texture"
    too_long = client.alloc(b"x" * 40)
    assert client.start_raw(dmabuf, dma_buf.IOCTL_SET_NAME.request, too_long).error == errno.EINVAL
    assert file.mmap(client, PAGE, PAGE, 0, 0)[1] == PAGE
    assert Call(client, lambda: file.mmap(client, PAGE, 2 * PAGE, 0, 0)).error == errno.EINVAL
    assert client.raw(dmabuf, 0x6299)[0] == errno.ENOTTY


def test_cpu_access_waits_for_what_it_must(setup: Setup) -> None:
    """DMA_BUF_IOCTL_SYNC: reading waits for writers, writing for readers too; END never waits."""
    client = setup.client
    handle = setup.buffer()
    dmabuf = setup.export(handle)
    resv = setup.object(handle).resv
    reader, writer = pending(), pending()
    resv.add_fence(reader, DMA_RESV_USAGE_READ)
    read, write = dma_buf.DMA_BUF_SYNC_READ, dma_buf.DMA_BUF_SYNC_WRITE
    assert client.fails(dmabuf, dma_buf.IOCTL_SYNC, flags=read) == 0
    assert client.fails(dmabuf, dma_buf.IOCTL_SYNC, flags=write | dma_buf.DMA_BUF_SYNC_END) == 0
    assert client.fails(dmabuf, dma_buf.IOCTL_SYNC, flags=0) == errno.EINVAL
    assert client.fails(dmabuf, dma_buf.IOCTL_SYNC, flags=8 | read) == errno.EINVAL
    call, _ = client.start_ioctl(dmabuf, dma_buf.IOCTL_SYNC, flags=write)
    assert not call.settle().done
    reader.signal()
    assert call.settle().error == 0
    resv.add_fence(writer, DMA_RESV_USAGE_WRITE)
    call, _ = client.start_ioctl(dmabuf, dma_buf.IOCTL_SYNC, flags=read)
    assert not call.settle().done
    writer.signal()
    assert call.settle().done


def test_sync_files_of_a_dma_buf(setup: Setup) -> None:
    """EXPORT(READ) is the writers, EXPORT(WRITE) everybody; IMPORT adds; without any fence a signalled stub."""
    client = setup.client
    handle = setup.buffer()
    dmabuf = setup.export(handle)
    resv = setup.object(handle).resv
    export, import_ = dma_buf.IOCTL_EXPORT_SYNC_FILE, dma_buf.IOCTL_IMPORT_SYNC_FILE
    assert client.fails(dmabuf, export, flags=0) == errno.EINVAL
    assert client.fails(dmabuf, export, flags=4) == errno.EINVAL
    idle = client.ioctl(dmabuf, export, flags=dma_buf.DMA_BUF_SYNC_RW)["fd"]
    assert client.file(idle).fence.signaled
    reader, writer = pending(), pending()
    resv.add_fence(reader, DMA_RESV_USAGE_READ)
    resv.add_fence(writer, DMA_RESV_USAGE_WRITE)
    writers = client.ioctl(dmabuf, export, flags=dma_buf.DMA_BUF_SYNC_READ)["fd"]
    assert client.file(writers).fence is writer
    everybody = client.ioctl(dmabuf, export, flags=dma_buf.DMA_BUF_SYNC_WRITE)["fd"]
    assert set(client.file(everybody).fence.fences) == {reader, writer}
    other = setup.buffer()
    target = setup.export(other)
    assert client.fails(target, import_, flags=dma_buf.DMA_BUF_SYNC_WRITE, fd=dmabuf) == errno.EINVAL
    client.ioctl(target, import_, flags=dma_buf.DMA_BUF_SYNC_WRITE, fd=everybody)
    assert set(setup.object(other).resv.iter(DMA_RESV_USAGE_WRITE)) == {reader, writer}


def test_handle_delete_of_an_object_the_driver_still_uses(setup: Setup) -> None:
    """A reference taken by the driver keeps the object; the last put frees it."""
    handle = setup.buffer()
    obj = setup.object(handle).get()
    assert drm_gem_handle_delete(setup.client.file(setup.fd).filp, handle) == 0
    assert (obj.refcount, obj.handle_count) == (1, 0)
    obj.put()
    with pytest.raises(AssertionError, match="freed"):
        obj.put()
