# SPDX-License-Identifier: MIT
"""Errors of the syncobj ioctls and their order, on every kernel that differs (KERNEL.md 1.5, E12; T15)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.dma_buf.sw_sync import probe
from amdgpu_hw.uapi import drm
from amdgpu_hw.uapi import sw_sync as sw
from amdgpu_hw.uapi.layout import Ioctl
from tests.mock.kernel import fake_driver
from tests.mock.kernel.errno_matrix import check, matrix
from tests.mock.kernel.errnos import Row, syncobjs
from tests.mock.kernel.fake_caller import FakeCaller, boot
from tests.mock.kernel.fake_driver import RENDER


class Client:
    """A client with a render node, a syncobj of each kind and a descriptor of each kind."""

    def __init__(self, variant: str) -> None:
        self.kernel = boot(variant)
        fake_driver.probe(self.kernel)
        probe(self.kernel)
        self.caller = FakeCaller(self.kernel)
        self.fd = self.caller.open(RENDER)
        self.empty = self.create()
        self.signaled = self.create(drm.DRM_SYNCOBJ_CREATE_SIGNALED)
        timeline = self.caller.open(sw.PATH)
        self.sync_file = int(self.caller.ioctl(timeline, sw.IOCTL_CREATE_FENCE, value=1)["fence"])
        self.pending = self.create()
        self.caller.ioctl(
            self.fd,
            drm.IOCTL_SYNCOBJ_FD_TO_HANDLE,
            handle=self.pending,
            fd=self.sync_file,
            flags=drm.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
        )
        self.syncobj_file = int(self.caller.ioctl(self.fd, drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=self.empty)["fd"])
        self._host_fds = [os.eventfd(0), os.open(os.devnull, os.O_RDONLY)]
        self.eventfd, self.dev_null = (self.caller.add_foreign(fd) for fd in self._host_fds)

    def create(self, flags: int = 0) -> int:
        """A new syncobj."""
        return int(self.caller.ioctl(self.fd, drm.IOCTL_SYNCOBJ_CREATE, flags=flags)["handle"])

    def fails(self, ioctl: Ioctl, /, **fields: Any) -> int:
        """The errno of an ioctl."""
        return self.caller.fails(self.fd, ioctl, **fields)

    def u32s(self, *values: int) -> int:
        """Address of an array."""
        return self.caller.u32s(*values)

    def close(self) -> None:
        """Close what the host has to close."""
        for fd in self._host_fds:
            os.close(fd)


@pytest.fixture
def client(variant: str) -> Iterator[Client]:
    """A client on the kernel of the row."""
    client = Client(variant)
    yield client
    client.close()


@matrix(syncobjs.ROWS)
def test_t15_errors_of_syncobj_ioctls(client: Client, row: Row) -> None:
    """Each row ends with the errno of the first check that fails."""
    check(client, row)
