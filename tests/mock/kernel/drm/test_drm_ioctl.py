# SPDX-License-Identifier: MIT
"""Dispatch of DRM ioctls, and the core's own (KERNEL.md 1.1 to 1.3)."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest

from amdgpu_hw.mock.kernel.vgem import vgem_drv
from amdgpu_hw.uapi import drm
from tests.mock.kernel import fake_driver
from tests.mock.kernel.fake_caller import FakeCaller, boot
from tests.mock.kernel.fake_driver import CARD, ECHO_STRUCT, IOCTL_ECHO, RENDER


@pytest.fixture
def client() -> FakeCaller:
    """A client of a machine with the fake device."""
    kernel = boot()
    fake_driver.probe(kernel)
    return FakeCaller(kernel)


def resized(request: int, size: int) -> int:
    """A request number with another size field, as user space with other headers sends."""
    return request & ~(0x3FFF << 16) | size << 16


def test_unknown_type_is_enotty_and_unknown_number_einval(client: FakeCaller) -> None:
    """1.1 steps 2 and 3: only the type byte gives ENOTTY."""
    fd = client.open(RENDER)
    assert client.raw(fd, 0xC010650C, bytes(16))[0] == errno.ENOTTY
    for nr in (0x44, 0x9F, 0x03, 0xD7, 0xFF):
        assert client.raw(fd, 0xC0106400 | nr, bytes(16))[0] == errno.EINVAL, f"nr {nr:#x}"


def test_short_struct_is_padded_with_zeros(client: FakeCaller) -> None:
    """1.1 step 5: old user space, new kernel: fields it does not know are 0, and are not copied back."""
    fd = client.open(RENDER)
    error, after = client.raw(fd, resized(IOCTL_ECHO.request, 8), ECHO_STRUCT.pack(number=5, extra=77))
    assert error == 0
    assert ECHO_STRUCT.unpack(after) == (6, 0, 77), "bytes beyond the user's size were touched"


def test_long_struct_reaches_the_buffer(client: FakeCaller) -> None:
    """1.1 step 4: the buffer holds the larger of both sizes."""
    fd = client.open(RENDER)
    error, after = client.raw(fd, resized(IOCTL_ECHO.request, 64), ECHO_STRUCT.pack(number=5) + bytes(48))
    assert error == 0
    assert ECHO_STRUCT.unpack_from(after) == (6, 0, 64)


def test_direction_bits_of_both_sides_count(client: FakeCaller) -> None:
    """1.1 step 4: nothing is copied in, or back, unless user space and kernel both say so."""
    fd = client.open(RENDER)
    write_only = IOCTL_ECHO.request & ~(2 << 30)
    assert ECHO_STRUCT.unpack(client.raw(fd, write_only, ECHO_STRUCT.pack(number=5))[1]) == (5, 0, 0)
    read_only = IOCTL_ECHO.request & ~(1 << 30)
    assert ECHO_STRUCT.unpack(client.raw(fd, read_only, ECHO_STRUCT.pack(number=5))[1])[0] == 1


def test_outputs_come_back_although_the_handler_failed(client: FakeCaller) -> None:
    """1.1 step 7."""
    fd = client.open(RENDER)
    error, after = client.raw(fd, IOCTL_ECHO.request, ECHO_STRUCT.pack(number=5, errno=errno.EBUSY))
    assert error == errno.EBUSY
    assert ECHO_STRUCT.unpack(after)[0] == 6


def test_unreadable_argument_beats_missing_permission(client: FakeCaller) -> None:
    """1.1 steps 5 and 6: EFAULT is found before EACCES."""
    fd = client.open(RENDER)
    assert client.start_raw(fd, drm.IOCTL_GET_UNIQUE.request, 0x10).wait().error == errno.EFAULT
    assert client.fails(fd, drm.IOCTL_GET_UNIQUE) == errno.EACCES


@pytest.mark.parametrize(
    "ioctl",
    [
        drm.IOCTL_GET_UNIQUE,
        drm.IOCTL_GET_MAGIC,
        drm.IOCTL_GET_CLIENT,
        drm.IOCTL_GET_STATS,
        drm.IOCTL_SET_VERSION,
        drm.IOCTL_GEM_FLINK,
        drm.IOCTL_GEM_OPEN,
        drm.IOCTL_SET_CLIENT_CAP,
        drm.IOCTL_AUTH_MAGIC,
        drm.IOCTL_SET_MASTER,
        drm.IOCTL_DROP_MASTER,
        drm.IOCTL_MODE_CREATE_DUMB,
    ],
    ids=lambda ioctl: ioctl.name,
)
def test_not_on_a_render_node(client: FakeCaller, ioctl: object) -> None:
    """1.2: the primary node's ioctls are EACCES on a render node."""
    assert client.fails(client.open(RENDER), ioctl) == errno.EACCES  # type: ignore[arg-type]


def test_a_gpu_without_a_display_lists_nothing(client: FakeCaller) -> None:
    """All counts are 0, whatever the caller has room for (drm_mode_getresources, drm_mode_getplane_res)."""
    fd = client.open(CARD)
    found = client.ioctl(fd, drm.IOCTL_MODE_GETRESOURCES, connector_id_ptr=8, count_connectors=3, max_width=7)
    assert {name: value for name, value in found.items() if value} == {"connector_id_ptr": 8}
    assert client.ioctl(fd, drm.IOCTL_MODE_GETPLANERESOURCES, count_planes=5)["count_planes"] == 0
    assert client.fails(client.open(RENDER), drm.IOCTL_MODE_GETRESOURCES) == errno.EACCES


@pytest.mark.parametrize("request_", [0xC05064A7, 0xC06864A1, 0xC01464A6, 0xC02064B6], ids=hex)
def test_a_gpu_without_a_display_has_no_such_object(client: FakeCaller, request_: int) -> None:
    """ENOENT for any connector, CRTC, encoder and plane."""
    assert client.raw(client.open(CARD), request_, bytes(128))[0] == errno.ENOENT


def test_other_display_ioctls_are_known_and_refused(client: FakeCaller) -> None:
    """KMS: EACCES on a render node, EOPNOTSUPP and a line in the log on the primary node."""
    add_fb = 0xC01C64AE
    assert client.raw(client.open(RENDER), add_fb, bytes(28))[0] == errno.EACCES
    assert client.raw(client.open(CARD), add_fb, bytes(28))[0] == errno.EOPNOTSUPP
    assert "mode setting is not modelled" in client.kernel.log.text()


def test_version_tells_lengths_and_copies_what_fits(client: FakeCaller) -> None:
    """1.3: libdrm asks twice: first for the lengths, then for the strings."""
    fd = client.open(RENDER)
    answer = client.ioctl(fd, drm.IOCTL_VERSION)
    assert (answer["version_major"], answer["version_minor"], answer["version_patchlevel"]) == (3, 7, 1)
    assert (answer["name_len"], answer["date_len"], answer["desc_len"]) == (4, 1, 11)
    name, desc = client.alloc(16), client.alloc(16)
    client.ioctl(fd, drm.IOCTL_VERSION, name=name, name_len=16, desc=desc, desc_len=4)
    assert client.copy_from_user(name, 6) == b"fake\0\0"
    assert client.copy_from_user(desc, 5) == b"Fake\0"


def test_caps(client: FakeCaller) -> None:
    """1.3: PRIME 3, monotonic timestamps, syncobjs; unknown EINVAL; the value is zeroed before a failure."""
    fd = client.open(RENDER)
    for capability, value in ((5, 3), (6, 1), (0x13, 1), (0x14, 1), (1, 1), (8, 64), (0x10, 1)):
        assert client.ioctl(fd, drm.IOCTL_GET_CAP, capability=capability)["value"] == value, f"cap {capability:#x}"
    error, after = client.raw(fd, drm.IOCTL_GET_CAP.request, drm.GET_CAP.pack(capability=0x99, value=7))
    assert error == errno.EINVAL
    assert drm.GET_CAP.as_dict(after)["value"] == 0


def test_display_caps_without_a_display() -> None:
    """1.3: a driver without modeset knows nothing of displays, and says so before it looks at the number."""
    kernel = boot()
    vgem_drv.probe(kernel, 0)
    client = FakeCaller(kernel)
    fd = client.open("/dev/dri/renderD128")
    assert client.fails(fd, drm.IOCTL_GET_CAP, capability=1) == errno.EOPNOTSUPP
    assert client.fails(fd, drm.IOCTL_GET_CAP, capability=0x99) == errno.EOPNOTSUPP
    assert client.ioctl(fd, drm.IOCTL_GET_CAP, capability=0x13)["value"] == 0


def test_client_name(client: FakeCaller) -> None:
    """1.3: at most 64 visible ASCII characters."""
    fd = client.open(RENDER)
    text = client.alloc(b"good-name" + bytes(100))
    client.ioctl(fd, drm.IOCTL_SET_CLIENT_NAME, name_len=9, name=text)
    assert client.file(fd).filp.client_name == "good-name"
    assert client.fails(fd, drm.IOCTL_SET_CLIENT_NAME, name_len=10, name=text) == errno.EINVAL, "NUL is not graphic"
    assert client.fails(fd, drm.IOCTL_SET_CLIENT_NAME, name_len=65, name=text) == errno.EINVAL
    assert client.fails(fd, drm.IOCTL_SET_CLIENT_NAME, name_len=4, name=0x10) == errno.EFAULT
    client.ioctl(fd, drm.IOCTL_SET_CLIENT_NAME)
    assert client.file(fd).filp.client_name is None


def test_older_kernels_have_fewer_ioctls() -> None:
    """1.2: SET_CLIENT_NAME came with 6.14, GEM_CHANGE_HANDLE with 6.18."""
    kernel = boot("6.12")
    fake_driver.probe(kernel)
    client = FakeCaller(kernel)
    fd = client.open(RENDER)
    assert client.fails(fd, drm.IOCTL_SET_CLIENT_NAME) == errno.EINVAL
    assert client.fails(fd, drm.IOCTL_GEM_CHANGE_HANDLE) == errno.EINVAL


def test_set_version_makes_the_bus_id_known(client: FakeCaller) -> None:
    """GET_UNIQUE is empty until SET_VERSION 1.1 or later; a wrong version is EINVAL but the right one comes back."""
    fd = client.open(CARD)
    buffer = client.alloc(64)
    assert client.ioctl(fd, drm.IOCTL_GET_UNIQUE, unique_len=64, unique=buffer)["unique_len"] == 0
    client.ioctl(fd, drm.IOCTL_SET_VERSION, drm_di_major=1, drm_di_minor=4, drm_dd_major=-1, drm_dd_minor=-1)
    length = client.ioctl(fd, drm.IOCTL_GET_UNIQUE, unique_len=64, unique=buffer)["unique_len"]
    assert client.copy_from_user(buffer, length) == b"pci:0000:03:00.0"
    wrong = drm.SET_VERSION.pack(drm_di_major=2, drm_di_minor=0, drm_dd_major=-1, drm_dd_minor=-1)
    error, after = client.raw(fd, drm.IOCTL_SET_VERSION.request, wrong)
    assert error == errno.EINVAL
    assert drm.SET_VERSION.unpack(after) == (1, 4, 3, 7)


def test_unplugged_device(client: FakeCaller) -> None:
    """1.1 step 1: ENODEV beats everything, and the nodes are gone."""
    fd = client.open(RENDER)
    client.file(fd).filp.dev.unplug()
    assert client.raw(fd, 0, b"")[0] == errno.ENODEV
    with pytest.raises(OSError, match="ENOENT"):
        client.open(RENDER)


def test_exclusive_open_is_refused(client: FakeCaller) -> None:
    """drm_open_helper: no exclusive opens."""
    with pytest.raises(OSError, match="EBUSY"):
        client.open(RENDER, os.O_RDWR | os.O_EXCL)


def test_a_failing_handler_is_an_oops_and_the_kernel_lives() -> None:
    """A bug of the mock kernel: EIO, a trace in the log, and the next ioctl works."""

    def buggy(*_: object) -> int:
        raise ZeroDivisionError("planted")

    kernel = boot()
    desc = fake_driver.DRIVER.ioctls[IOCTL_ECHO.nr]
    fake_driver.probe(kernel, ioctls={IOCTL_ECHO.nr: replace(desc, func=buggy)})
    client = FakeCaller(kernel)
    fd = client.open(RENDER)
    assert client.fails(fd, IOCTL_ECHO) == errno.EIO
    assert kernel.oopses == 1
    assert "planted" in kernel.log.text()
    assert client.ioctl(fd, drm.IOCTL_GET_CAP, capability=5)["value"] == 3
