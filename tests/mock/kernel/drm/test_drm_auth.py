# SPDX-License-Identifier: MIT
"""Masters, tokens and authentication on the primary node (drm_auth.c)."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.mock.kernel.drm import drm_auth, drm_file, drm_ioctl
from amdgpu_hw.mock.kernel.kernel import capable
from amdgpu_hw.uapi import drm
from tests.mock.kernel import fake_driver
from tests.mock.kernel.fake_caller import FakeCaller, boot
from tests.mock.kernel.fake_driver import CARD, IOCTL_ECHO


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeCaller:
    """A client that is not root."""
    for module in (drm_auth, drm_file, drm_ioctl):
        monkeypatch.setattr(module, "capable", lambda _caller: False)
    kernel = boot()
    fake_driver.probe(kernel)
    return FakeCaller(kernel)


def test_first_opener_is_master_and_authenticated(client: FakeCaller) -> None:
    """GET_CLIENT tells whether a file is authenticated; libdrm's amdgpu insists on it for flink."""
    first, second = client.open(CARD), client.open(CARD)
    assert client.ioctl(first, drm.IOCTL_GET_CLIENT)["auth"] == 1
    assert client.ioctl(second, drm.IOCTL_GET_CLIENT)["auth"] == 0
    assert client.fails(first, drm.IOCTL_GET_CLIENT, idx=1) == errno.EINVAL
    assert client.fails(second, IOCTL_ECHO) == errno.EACCES, "DRM_AUTH without authentication"


def test_master_authenticates_a_token_once(client: FakeCaller) -> None:
    """GET_MAGIC gives a file one token; AUTH_MAGIC by the master, and only once."""
    master, other = client.open(CARD), client.open(CARD)
    magic = client.ioctl(other, drm.IOCTL_GET_MAGIC)["magic"]
    assert client.ioctl(other, drm.IOCTL_GET_MAGIC)["magic"] == magic
    assert client.fails(other, drm.IOCTL_AUTH_MAGIC, magic=magic) == errno.EACCES
    client.ioctl(master, drm.IOCTL_AUTH_MAGIC, magic=magic)
    assert client.fails(other, IOCTL_ECHO) == 0
    assert client.fails(master, drm.IOCTL_AUTH_MAGIC, magic=magic) == errno.EINVAL


def test_mastership_moves(client: FakeCaller) -> None:
    """Who was master may become it again; nobody else may without root; closing gives it up."""
    first, second = client.open(CARD), client.open(CARD)
    assert client.fails(second, drm.IOCTL_SET_MASTER) == errno.EACCES
    client.ioctl(first, drm.IOCTL_DROP_MASTER)
    assert client.fails(first, drm.IOCTL_DROP_MASTER) == errno.EINVAL
    third = client.open(CARD)
    assert client.fails(first, drm.IOCTL_SET_MASTER) == errno.EBUSY
    client.close(third)
    client.ioctl(first, drm.IOCTL_SET_MASTER)
    assert client.fails(first, drm.IOCTL_SET_MASTER) == 0, "already master"


def test_root_is_always_authenticated() -> None:
    """drm_file_alloc: for compatibility."""
    kernel = boot()
    fake_driver.probe(kernel)
    root, nobody = FakeCaller(kernel), FakeCaller(kernel, pid=1 << 30)
    assert capable(nobody) is False, "a process that does not exist has no rights"
    root.open(CARD)
    second = nobody.open(CARD)
    assert nobody.ioctl(second, drm.IOCTL_GET_CLIENT)["auth"] == 0
