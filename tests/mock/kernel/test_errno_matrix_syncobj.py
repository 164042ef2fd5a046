# SPDX-License-Identifier: MIT
"""Errors of the syncobj ioctls and their order, on every kernel that differs (KERNEL.md 1.5, E12; T15)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.dma_buf.sw_sync import probe
from amdgpu_hw.proof.errnos import NO_HANDLE, of, syncobjs
from amdgpu_hw.uapi import drm
from amdgpu_hw.uapi import sw_sync as sw
from amdgpu_hw.uapi.layout import Ioctl
from tests.mock.kernel import fake_driver
from tests.mock.kernel.errno_matrix import BAD, Row, matrix, on, row
from tests.mock.kernel.fake_caller import FakeCaller, boot
from tests.mock.kernel.fake_driver import RENDER

NEW, OLD = "base", "6.12"
BOTH = (NEW, OLD)
MAX_HANDLES = (4 << 20) // 4
"""The kernel's copy of the handles is one kmalloc."""


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

    def fails(self, ioctl: Ioctl, **fields: Any) -> int:
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


_EXPORT = drm.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
_TIMELINE = drm.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE
_TO_FD, _FROM_FD = drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, drm.IOCTL_SYNCOBJ_FD_TO_HANDLE
_WAIT, _EVENTFD = drm.IOCTL_SYNCOBJ_WAIT, drm.IOCTL_SYNCOBJ_EVENTFD
EINVAL, ENOENT, EFAULT, EBADF, ETIME, ENOMEM = (
    errno.EINVAL,
    errno.ENOENT,
    errno.EFAULT,
    errno.EBADF,
    errno.ETIME,
    errno.ENOMEM,
)

ROWS: tuple[Row, ...] = (
    *on(BOTH, syncobjs.ROWS),
    row("point of a whole syncobj", _TO_FD, EINVAL, handle=of("signaled"), point=1),
    row("point field is not there yet", _TO_FD, 0, OLD, handle=of("signaled"), point=1),
    row("TIMELINE of a whole syncobj", _TO_FD, 0, handle=of("signaled"), flags=_TIMELINE),
    row("point and TIMELINE of a whole one", _TO_FD, EINVAL, handle=of("signaled"), flags=_TIMELINE, point=1),
    row("TIMELINE flag is not there yet", _TO_FD, EINVAL, OLD, handle=of("signaled"), flags=_TIMELINE),
    row("point beyond", _TO_FD, EINVAL, handle=of("signaled"), flags=_EXPORT | _TIMELINE, point=9),
    row("point before handle", _TO_FD, EINVAL, handle=NO_HANDLE, point=1),
    row("closed", _FROM_FD, EINVAL, *BOTH, fd=900),
    row("foreign file", _FROM_FD, EINVAL, *BOTH, fd=of("dev_null")),
    row("the node itself", _FROM_FD, EINVAL, *BOTH, fd=of("fd")),
    row("point of a whole syncobj", _FROM_FD, EINVAL, fd=of("syncobj_file"), point=1),
    row("import of no sync_file before handle", _FROM_FD, EINVAL, *BOTH, fd=900, flags=_EXPORT, handle=NO_HANDLE),
    row("too many handles", _WAIT, ENOMEM, *BOTH, handles=BAD, count_handles=MAX_HANDLES + 1),
    row("as many as can be", _WAIT, EFAULT, *BOTH, handles=BAD, count_handles=MAX_HANDLES),
    row("unknown handle before descriptor", _EVENTFD, ENOENT, *BOTH, handle=NO_HANDLE, fd=900),
    row("closed", _EVENTFD, EBADF, *BOTH, handle=of("empty"), fd=900),
    row("not an eventfd", _EVENTFD, EINVAL, *BOTH, handle=of("empty"), fd=of("dev_null")),
)


@matrix(ROWS)
def test_t15_errors_of_syncobj_ioctls(client: Client, row: Row) -> None:
    """Each row ends with the errno of the first check that fails."""
    row.check(client)
