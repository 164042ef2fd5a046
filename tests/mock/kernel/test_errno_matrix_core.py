# SPDX-License-Identifier: MIT
"""Errors of the DRM core's ioctls, dma-bufs and sync files, and their order (KERNEL.md 1.1 to 1.4; T14)."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.dma_buf.sw_sync import probe
from amdgpu_hw.mock.kernel.vgem import vgem_drv
from amdgpu_hw.uapi import amdgpu_drm as amdgpu
from amdgpu_hw.uapi import dma_buf, drm, sync_file
from amdgpu_hw.uapi import sw_sync as sw
from amdgpu_hw.uapi.layout import Ioctl
from tests.mock.kernel.amdgpu_client import boot_gpu
from tests.mock.kernel.errno_matrix import check, matrix
from tests.mock.kernel.errnos import BAD, Row
from tests.mock.kernel.errnos.core import FILE_ROWS, MASTER_ROWS, RENDER_ROWS
from tests.mock.kernel.fake_caller import FakeCaller

NEW = "base"
EINVAL, EFAULT, EACCES = errno.EINVAL, errno.EFAULT, errno.EACCES


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
        self.plain = self.new_bo()
        self.always_valid = self.new_bo(amdgpu.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID)
        self.dma_buf = self.export(self.render, self.plain)
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

    def alloc(self, content: bytes) -> int:
        """Address of some bytes."""
        return self.caller.alloc(content)

    def fails(self, ioctl: Ioctl, /, **fields: Any) -> int:
        """The errno of an ioctl on the file."""
        return self.caller.fails(self.fd, ioctl, **fields)


@pytest.fixture
def client(variant: str) -> Client:
    """A client on the kernel of the row."""
    return Client(variant)


@matrix(RENDER_ROWS)
def test_t14_errors_on_a_render_node(client: Client, row: Row) -> None:
    """Permission comes before the handler, and each handler's checks in order."""
    check(client, row)


@matrix(MASTER_ROWS)
def test_t14_errors_on_the_primary_node(client: Client, row: Row) -> None:
    """The same from the master."""
    client.fd = client.master
    check(client, row)


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


@pytest.mark.parametrize(("name", "row"), FILE_ROWS, ids=[f"{n}-{r.ioctl.name}-{r.why}" for n, r in FILE_ROWS])
def test_errors_of_other_files(name: str, row: Row) -> None:
    """dma-bufs, sync files, timelines and vgem."""
    client = Client(NEW)
    client.fd = getattr(client, name)
    check(client, row)


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
        "fence": (sync_file.IOCTL_MERGE, sync_file.IOCTL_FILE_INFO, sync_file.IOCTL_SET_DEADLINE),
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
    assert client.fails(drm.IOCTL_GET_CAP, capability=5) == errno.ENODEV
    assert client.caller.raw(client.render, 0x1234)[0] == errno.ENODEV
