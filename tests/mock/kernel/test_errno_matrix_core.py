# SPDX-License-Identifier: MIT
"""Errors of the DRM core's ioctls, dma-bufs and sync files, and their order (KERNEL.md 1.1 to 1.4; T14)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.dma_buf.sw_sync import probe
from amdgpu_hw.mock.kernel.vgem import vgem_drv
from amdgpu_hw.uapi import amdgpu_drm as amdgpu
from amdgpu_hw.uapi import dma_buf, drm, sync_file, vgem_drm
from amdgpu_hw.uapi import sw_sync as sw
from amdgpu_hw.uapi.layout import Ioctl
from tests.mock.kernel.amdgpu_client import boot_gpu
from tests.mock.kernel.errno_matrix import BAD, Row, matrix, row
from tests.mock.kernel.fake_caller import FakeCaller

NEW, OLD = "base", "6.12"
BOTH = (NEW, OLD)
NO_HANDLE = 77
EINVAL, ENOENT, EFAULT, EACCES, EBADF, EPERM = (
    errno.EINVAL,
    errno.ENOENT,
    errno.EFAULT,
    errno.EACCES,
    errno.EBADF,
    errno.EPERM,
)


class Client:
    """A process with one kind of file open; ``fails`` calls on that file."""

    def __init__(self, variant: str) -> None:
        self.adev = boot_gpu("navi31", variant)
        kernel = self.adev.kernel
        self.vgem_dev = vgem_drv.probe(kernel, 1)
        probe(kernel)
        self.caller = FakeCaller(kernel)
        self.render = self.caller.open("/dev/dri/renderD128")
        self.master = self.caller.open("/dev/dri/card0")
        self.fd = self.render
        self.bo = self.new_bo()
        self.always_valid = self.new_bo(amdgpu.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID)
        self.dma_buf = self.export(self.render, self.bo)
        self.vgem = self.caller.open("/dev/dri/renderD129")
        self.vgem_card = self.caller.open("/dev/dri/card1")
        dumb = self.caller.ioctl(self.vgem_card, drm.IOCTL_MODE_CREATE_DUMB, width=64, height=16, bpp=32)
        self.vgem_bo = int(dumb["handle"])
        self.vgem_buf = self.export(self.vgem_card, self.vgem_bo)
        self.timeline = self.caller.open(sw.PATH)
        self.fence = int(self.caller.ioctl(self.timeline, sw.IOCTL_CREATE_FENCE, value=1)["fence"])

    def new_bo(self, flags: int = 0) -> int:
        """A page of GTT."""
        fields = {"bo_size": 4096, "domains": amdgpu.AMDGPU_GEM_DOMAIN_GTT, "domain_flags": flags}
        return int(self.caller.ioctl(self.render, amdgpu.IOCTL_AMDGPU_GEM_CREATE, **fields)["bo_size"]) & 0xFFFFFFFF

    def export(self, fd: int, handle: int) -> int:
        """The descriptor of a buffer."""
        return int(self.caller.ioctl(fd, drm.IOCTL_PRIME_HANDLE_TO_FD, handle=handle, flags=drm.DRM_RDWR)["fd"])

    def fails(self, ioctl: Ioctl, **fields: Any) -> int:
        """The errno of an ioctl on the file."""
        return self.caller.fails(self.fd, ioctl, **fields)


def of(name: str) -> Callable[[Client], int]:
    """A handle or descriptor of the client."""
    return lambda client: int(getattr(client, name))


def text(content: bytes) -> Callable[[Client], int]:
    """Address of some bytes."""
    return lambda client: client.caller.alloc(content)


@pytest.fixture
def client(variant: str) -> Client:
    """A client on the kernel of the row."""
    return Client(variant)


_CAP, _NAME = drm.IOCTL_GET_CAP, drm.IOCTL_SET_CLIENT_NAME
_TO_FD, _FROM_FD = drm.IOCTL_PRIME_HANDLE_TO_FD, drm.IOCTL_PRIME_FD_TO_HANDLE
_CHANGE = drm.IOCTL_GEM_CHANGE_HANDLE

RENDER_ROWS: tuple[Row, ...] = (
    *(
        row("not on a render node", ioctl, EACCES, *BOTH)
        for ioctl in (
            drm.IOCTL_GET_UNIQUE,
            drm.IOCTL_GET_MAGIC,
            drm.IOCTL_GET_CLIENT,
            drm.IOCTL_GET_STATS,
            drm.IOCTL_SET_VERSION,
            drm.IOCTL_SET_CLIENT_CAP,
            drm.IOCTL_AUTH_MAGIC,
            drm.IOCTL_SET_MASTER,
            drm.IOCTL_DROP_MASTER,
            drm.IOCTL_GEM_FLINK,
            drm.IOCTL_GEM_OPEN,
            drm.IOCTL_MODE_CREATE_DUMB,
            drm.IOCTL_MODE_MAP_DUMB,
            drm.IOCTL_MODE_DESTROY_DUMB,
            amdgpu.IOCTL_AMDGPU_SCHED,
        )
    ),
    row("name not writable", drm.IOCTL_VERSION, EFAULT, *BOTH, name_len=3, name=BAD),
    row("no pointer, nothing written", drm.IOCTL_VERSION, 0, *BOTH, name_len=3),
    row("no room, nothing written", drm.IOCTL_VERSION, 0, *BOTH, name=BAD),
    row("unknown", _CAP, EINVAL, *BOTH, capability=0x99),
    row("0", _CAP, EINVAL, *BOTH),
    row("too long before pointer", _NAME, EINVAL, name_len=65, name=BAD),
    row("unreadable", _NAME, EFAULT, name_len=1, name=BAD),
    row("space", _NAME, EINVAL, name_len=3, name=text(b"a b")),
    row("NUL inside", _NAME, EINVAL, name_len=3, name=text(b"a\0b")),
    row("not ASCII", _NAME, EINVAL, name_len=2, name=text(b"\xc3\xa9")),
    row("no name", _NAME, 0, name=BAD),
    row("not before 6.14", _NAME, EINVAL, OLD, name_len=1, name=text(b"a")),
    row("unknown handle", drm.IOCTL_GEM_CLOSE, EINVAL, *BOTH, handle=NO_HANDLE),
    row("handle 0", drm.IOCTL_GEM_CLOSE, EINVAL, *BOTH),
    row("padding is not looked at", drm.IOCTL_GEM_CLOSE, 0, *BOTH, handle=of("bo"), pad=1),
    row("unknown flag before handle", _TO_FD, EINVAL, *BOTH, handle=NO_HANDLE, flags=1),
    row("unknown handle", _TO_FD, ENOENT, *BOTH, handle=NO_HANDLE),
    row("always valid", _TO_FD, EPERM, *BOTH, handle=of("always_valid")),
    row("closed", _FROM_FD, EBADF, *BOTH, fd=900),
    row("negative", _FROM_FD, EBADF, *BOTH, fd=-1),
    row("not a dma-buf", _FROM_FD, EINVAL, *BOTH, fd=of("fence")),
    row("flags and handle are not looked at", _FROM_FD, 0, *BOTH, fd=of("dma_buf"), flags=0xFFFF, handle=NO_HANDLE),
    row("of another device", _FROM_FD, 0, *BOTH, fd=of("vgem_buf")),
    row("unknown handle", _CHANGE, ENOENT, handle=NO_HANDLE, new_handle=NO_HANDLE),
    row("itself", _CHANGE, 0, handle=of("bo"), new_handle=of("bo")),
    row("taken", _CHANGE, errno.ENOSPC, handle=of("bo"), new_handle=of("always_valid")),
    row("beyond an idr", _CHANGE, EINVAL, handle=of("bo"), new_handle=0xFFFFFFFF),
    row("not before 6.18", _CHANGE, EINVAL, OLD, handle=of("bo"), new_handle=NO_HANDLE),
)


@matrix(RENDER_ROWS)
def test_t14_errors_on_a_render_node(client: Client, row: Row) -> None:
    """Permission comes before the handler, and each handler's checks in order."""
    row.check(client)


_CLIENT_CAP = drm.IOCTL_SET_CLIENT_CAP

MASTER_ROWS: tuple[Row, ...] = (
    row("only client 0", drm.IOCTL_GET_CLIENT, EINVAL, *BOTH, idx=1),
    row("wrong interface", drm.IOCTL_SET_VERSION, EINVAL, *BOTH, drm_di_major=2, drm_dd_major=-1),
    row("interface too new", drm.IOCTL_SET_VERSION, EINVAL, *BOTH, drm_di_major=1, drm_di_minor=5, drm_dd_major=-1),
    row("wrong driver version", drm.IOCTL_SET_VERSION, EINVAL, *BOTH, drm_di_major=-1, drm_dd_major=2),
    row("driver too new", drm.IOCTL_SET_VERSION, EINVAL, *BOTH, drm_di_major=-1, drm_dd_major=3, drm_dd_minor=99),
    row("nothing asked", drm.IOCTL_SET_VERSION, 0, *BOTH, drm_di_major=-1, drm_dd_major=-1),
    row("stereo", _CLIENT_CAP, 0, *BOTH, capability=1, value=1),
    row("value too large", _CLIENT_CAP, EINVAL, *BOTH, capability=2, value=2),
    row("atomic", _CLIENT_CAP, errno.EOPNOTSUPP, *BOTH, capability=3, value=99),
    row("writeback without atomic", _CLIENT_CAP, EINVAL, *BOTH, capability=5, value=1),
    row("cursor hotspot", _CLIENT_CAP, errno.EOPNOTSUPP, *BOTH, capability=6, value=1),
    row("unknown", _CLIENT_CAP, EINVAL, *BOTH, capability=0),
    row("unknown token", drm.IOCTL_AUTH_MAGIC, EINVAL, *BOTH, magic=5),
    row("is master", drm.IOCTL_SET_MASTER, 0, *BOTH),
    row("unknown handle", drm.IOCTL_GEM_FLINK, ENOENT, *BOTH, handle=NO_HANDLE),
    row("unknown name", drm.IOCTL_GEM_OPEN, ENOENT, *BOTH, name=5),
    row("no size", drm.IOCTL_MODE_CREATE_DUMB, EINVAL, *BOTH, width=1, height=1),
    row("size overflows", drm.IOCTL_MODE_CREATE_DUMB, EINVAL, *BOTH, width=0x10000, height=0x10000, bpp=32),
    row("unknown handle", drm.IOCTL_MODE_MAP_DUMB, ENOENT, *BOTH, handle=NO_HANDLE),
    row("unknown handle", drm.IOCTL_MODE_DESTROY_DUMB, EINVAL, *BOTH, handle=NO_HANDLE),
)


@matrix(MASTER_ROWS)
def test_t14_errors_on_the_primary_node(client: Client, row: Row) -> None:
    """The same from the master."""
    client.fd = client.master
    row.check(client)


@pytest.mark.parametrize("nr", [0x03, 0x08, 0x18, 0x20, 0x29, 0x34, 0x5F, 0x9F, 0xD4, 0xFF])
@pytest.mark.parametrize("node", ["render", "master"])
def test_numbers_that_no_kernel_has(node: str, nr: int) -> None:
    """EINVAL for what was removed, for what the driver has not and for what is beyond the tables."""
    client = Client(NEW)
    assert client.caller.raw(getattr(client, node), 0xC0086400 | nr, bytes(8))[0] == EINVAL, f"nr {nr:#x}"


@pytest.mark.parametrize("nr", [0x10, 0x12, 0x13, 0x27, 0x28, 0x3F])
def test_relics_are_for_root_and_do_nothing(nr: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """SET_UNIQUE is EINVAL, the others 0; EACCES for everybody else, on a render node too."""
    client = Client(NEW)
    expected = EINVAL if nr == 0x10 else 0
    assert client.caller.raw(client.render, 0x6400 | nr)[0] == EACCES
    monkeypatch.setattr("amdgpu_hw.mock.kernel.drm.drm_ioctl.capable", lambda _caller: True)
    assert client.caller.raw(client.master, 0x6400 | nr)[0] == expected
    monkeypatch.setattr("amdgpu_hw.mock.kernel.drm.drm_ioctl.capable", lambda _caller: False)
    assert client.caller.raw(client.master, 0x6400 | nr)[0] == EACCES


@pytest.mark.parametrize("nr", [0xA8, 0xA9])
def test_attaching_modes_does_nothing(nr: int) -> None:
    """ATTACHMODE and DETACHMODE were emptied: 0 for the master."""
    client = Client(NEW)
    assert client.caller.raw(client.master, 0xC0486400 | nr, bytes(0x48))[0] == 0
    other = client.caller.open("/dev/dri/card0")
    assert client.caller.raw(other, 0xC0486400 | nr, bytes(0x48))[0] == EACCES


def test_who_was_no_master_cannot_become_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """EACCES for strangers, EBUSY while there is a master, EINVAL for dropping what one has not."""
    client = Client(NEW)
    other = client.caller.open("/dev/dri/card0")
    monkeypatch.setattr("amdgpu_hw.mock.kernel.drm.drm_auth.capable", lambda _caller: False)
    assert client.caller.fails(other, drm.IOCTL_SET_MASTER) == EACCES
    assert client.caller.fails(other, drm.IOCTL_DROP_MASTER) == EACCES
    monkeypatch.setattr("amdgpu_hw.mock.kernel.drm.drm_auth.capable", lambda _caller: True)
    assert client.caller.fails(other, drm.IOCTL_SET_MASTER) == errno.EBUSY
    assert client.caller.fails(other, drm.IOCTL_DROP_MASTER) == EINVAL


# -- dma-buf, sync_file, sw_sync, vgem ----------------------------------------------------------------------------

_MERGE, _INFO = sync_file.IOCTL_MERGE, sync_file.IOCTL_FILE_INFO
_READ, _RW = dma_buf.DMA_BUF_SYNC_READ, dma_buf.DMA_BUF_SYNC_RW

FILE_ROWS: tuple[tuple[str, Row], ...] = (
    ("dma_buf", row("no direction", dma_buf.IOCTL_SYNC, EINVAL, flags=dma_buf.DMA_BUF_SYNC_END)),
    ("dma_buf", row("unknown flag", dma_buf.IOCTL_SYNC, EINVAL, flags=_READ | 8)),
    ("dma_buf", row("read", dma_buf.IOCTL_SYNC, 0, flags=_READ)),
    ("dma_buf", row("no direction", dma_buf.IOCTL_EXPORT_SYNC_FILE, EINVAL)),
    ("dma_buf", row("unknown flag", dma_buf.IOCTL_EXPORT_SYNC_FILE, EINVAL, flags=_RW | 4)),
    ("dma_buf", row("no direction before descriptor", dma_buf.IOCTL_IMPORT_SYNC_FILE, EINVAL, fd=900)),
    ("dma_buf", row("closed", dma_buf.IOCTL_IMPORT_SYNC_FILE, EINVAL, flags=_READ, fd=900)),
    ("dma_buf", row("a sync_file's ioctl", _INFO, errno.ENOTTY)),
    ("fence", row("flags", _MERGE, EINVAL, fd2=900, flags=1)),
    ("fence", row("pad", _MERGE, EINVAL, fd2=900, pad=1)),
    ("fence", row("closed", _MERGE, ENOENT, fd2=900)),
    ("fence", row("not a sync_file", _MERGE, ENOENT, fd2=of("dma_buf"))),
    ("fence", row("flags", _INFO, EINVAL, flags=1)),
    ("fence", row("pad", _INFO, EINVAL, pad=1)),
    ("fence", row("no room needed", _INFO, 0, sync_fence_info=BAD)),
    ("fence", row("not writable", _INFO, EFAULT, num_fences=1, sync_fence_info=BAD)),
    ("fence", row("pad", sync_file.IOCTL_SET_DEADLINE, EINVAL, pad=1)),
    ("timeline", row("outputs not 0", sw.IOCTL_GET_DEADLINE, EINVAL, deadline_ns=1, fence_fd=900)),
    ("timeline", row("closed", sw.IOCTL_GET_DEADLINE, EINVAL, fence_fd=900)),
    ("timeline", row("no deadline", sw.IOCTL_GET_DEADLINE, ENOENT, fence_fd=of("fence"))),
    ("vgem_card", row("flags before handle", vgem_drm.IOCTL_FENCE_ATTACH, EINVAL, handle=NO_HANDLE, flags=2)),
    ("vgem_card", row("pad before handle", vgem_drm.IOCTL_FENCE_ATTACH, EINVAL, handle=NO_HANDLE, pad=1)),
    ("vgem_card", row("unknown handle", vgem_drm.IOCTL_FENCE_ATTACH, ENOENT, handle=NO_HANDLE)),
    ("vgem_card", row("flags before fence", vgem_drm.IOCTL_FENCE_SIGNAL, EINVAL, fence=5, flags=1)),
    ("vgem_card", row("unknown fence", vgem_drm.IOCTL_FENCE_SIGNAL, ENOENT, fence=5)),
    ("vgem", row("no syncobjs", drm.IOCTL_SYNCOBJ_CREATE, errno.EOPNOTSUPP)),
    ("vgem", row("a display cap", _CAP, errno.EOPNOTSUPP, capability=1)),
)


@pytest.mark.parametrize(("name", "row"), FILE_ROWS, ids=[f"{n}-{r.ioctl.name}-{r.why}" for n, r in FILE_ROWS])
def test_errors_of_other_files(name: str, row: Row) -> None:
    """dma-bufs, sync files, timelines and vgem."""
    client = Client(NEW)
    client.fd = getattr(client, name)
    row.check(client)


def test_a_dma_buf_takes_its_name_by_either_number() -> None:
    """SET_NAME was given a second number when its size turned out to differ between ABIs; EINVAL for 32 bytes."""
    client = Client(NEW)
    address = client.caller.alloc(b"one\0")
    for request in (dma_buf.IOCTL_SET_NAME_A.request, dma_buf.IOCTL_SET_NAME.request):
        assert client.caller.start_raw(client.dma_buf, request, address).error == 0
        assert client.caller.file(client.dma_buf).name == "/dmabuf:one"
    long = client.caller.alloc(b"x" * 32 + b"\0")
    assert client.caller.start_raw(client.dma_buf, dma_buf.IOCTL_SET_NAME_A.request, long).error == EINVAL
    assert client.caller.start_raw(client.dma_buf, dma_buf.IOCTL_SET_NAME.request, BAD).error == EFAULT


@pytest.mark.parametrize("name", ["dma_buf", "fence", "timeline"])
def test_arguments_that_cannot_be_read(name: str) -> None:
    """EFAULT for every ioctl of these files, before anything else; ENOTTY for numbers they do not have."""
    client = Client(NEW)
    ioctls = {
        "dma_buf": (dma_buf.IOCTL_SYNC, dma_buf.IOCTL_EXPORT_SYNC_FILE, dma_buf.IOCTL_IMPORT_SYNC_FILE),
        "fence": (_MERGE, _INFO, sync_file.IOCTL_SET_DEADLINE),
        "timeline": (sw.IOCTL_CREATE_FENCE, sw.IOCTL_INC, sw.IOCTL_GET_DEADLINE),
    }[name]
    fd = getattr(client, name)
    before = set(client.caller.files)
    for ioctl in ioctls:
        assert client.caller.start_raw(fd, ioctl.request, BAD).wait().error == EFAULT, ioctl.name
    assert client.caller.start_raw(fd, drm.IOCTL_VERSION.request, BAD).error == errno.ENOTTY
    assert set(client.caller.files) == before


def test_opening_a_node() -> None:
    """ENOENT for a node that is not there, EBUSY for exclusive use, ENODEV once the GPU is gone."""
    client = Client(NEW)
    with pytest.raises(FileNotFoundError):
        client.caller.open("/dev/dri/renderD140")
    with pytest.raises(OSError, match="EBUSY"):
        client.caller.open("/dev/dri/renderD128", os.O_RDWR | os.O_EXCL)
    client.adev.ddev.unplugged = True
    assert client.fails(_CAP, capability=5) == errno.ENODEV
    assert client.caller.raw(client.render, 0x1234)[0] == errno.ENODEV
