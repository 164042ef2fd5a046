# SPDX-License-Identifier: MIT
"""Errors of the syncobj ioctls and their order, on every kernel that differs (KERNEL.md 1.5, E12; T15)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

import fake_driver
import pytest
from errno_matrix import BAD, Row, matrix, row
from fake_caller import FakeCaller, boot
from fake_driver import RENDER

from amdgpu_hw.mock.kernel import sw_sync as sw_sync_driver
from amdgpu_hw.uapi import drm
from amdgpu_hw.uapi import sw_sync as sw
from amdgpu_hw.uapi.layout import Ioctl

NEW, OLD = "base", "6.12"
BOTH = (NEW, OLD)
NO_HANDLE = 77
EVERY_FLAG = 0xFFFFFFFF
MAX_HANDLES = (4 << 20) // 4
"""The kernel's copy of the handles is one kmalloc."""


class Client:
    """A client with a render node, a syncobj of each kind and a descriptor of each kind."""

    def __init__(self, variant: str) -> None:
        self.kernel = boot(variant)
        fake_driver.probe(self.kernel)
        sw_sync_driver.probe(self.kernel)
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

    def close(self) -> None:
        """Close what the host has to close."""
        for fd in self._host_fds:
            os.close(fd)


def array(*names: str | int) -> Callable[[Client], int]:
    """Address of an array of handles, by attribute of the client or number."""
    return lambda client: client.caller.u32s(*(getattr(client, n) if isinstance(n, str) else n for n in names))


def of(name: str) -> Callable[[Client], int]:
    """A handle or descriptor of the client."""
    return lambda client: int(getattr(client, name))


@pytest.fixture
def client(variant: str) -> Iterator[Client]:
    """A client on the kernel of the row."""
    client = Client(variant)
    yield client
    client.close()


_EXPORT = drm.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
_TIMELINE = drm.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE
_ALL = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL
_FOR_SUBMIT = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
_AVAILABLE = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
_TO_FD, _FROM_FD = drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, drm.IOCTL_SYNCOBJ_FD_TO_HANDLE
_WAIT, _TIMELINE_WAIT = drm.IOCTL_SYNCOBJ_WAIT, drm.IOCTL_SYNCOBJ_TIMELINE_WAIT
_SIGNAL_POINTS, _QUERY = drm.IOCTL_SYNCOBJ_TIMELINE_SIGNAL, drm.IOCTL_SYNCOBJ_QUERY
_TRANSFER, _EVENTFD = drm.IOCTL_SYNCOBJ_TRANSFER, drm.IOCTL_SYNCOBJ_EVENTFD
EINVAL, ENOENT, EFAULT, EBADF, ETIME, ENOMEM = (
    errno.EINVAL,
    errno.ENOENT,
    errno.EFAULT,
    errno.EBADF,
    errno.ETIME,
    errno.ENOMEM,
)

ROWS: tuple[Row, ...] = (
    row("unknown flag", drm.IOCTL_SYNCOBJ_CREATE, EINVAL, *BOTH, flags=2),
    row("pad before handle", drm.IOCTL_SYNCOBJ_DESTROY, EINVAL, *BOTH, handle=of("empty"), pad=1),
    row("unknown handle", drm.IOCTL_SYNCOBJ_DESTROY, EINVAL, *BOTH, handle=NO_HANDLE),
    row("handle 0", drm.IOCTL_SYNCOBJ_DESTROY, EINVAL, *BOTH),
    # -- HANDLE_TO_FD
    row("pad", _TO_FD, EINVAL, *BOTH, handle=of("signaled"), pad=1),
    row("unknown flag", _TO_FD, EINVAL, *BOTH, handle=of("signaled"), flags=4),
    row("unknown handle", _TO_FD, EINVAL, *BOTH, handle=NO_HANDLE),
    row("export of unknown handle", _TO_FD, ENOENT, *BOTH, handle=NO_HANDLE, flags=_EXPORT),
    row("export without fence", _TO_FD, EINVAL, *BOTH, handle=of("empty"), flags=_EXPORT),
    row("point of a whole syncobj", _TO_FD, EINVAL, handle=of("signaled"), point=1),
    row("point field is not there yet", _TO_FD, 0, OLD, handle=of("signaled"), point=1),
    row("TIMELINE of a whole syncobj", _TO_FD, 0, handle=of("signaled"), flags=_TIMELINE),
    row("point and TIMELINE of a whole one", _TO_FD, EINVAL, handle=of("signaled"), flags=_TIMELINE, point=1),
    row("TIMELINE flag is not there yet", _TO_FD, EINVAL, OLD, handle=of("signaled"), flags=_TIMELINE),
    row("export ignores point without TIMELINE", _TO_FD, 0, *BOTH, handle=of("signaled"), flags=_EXPORT, point=9),
    row("point beyond", _TO_FD, EINVAL, handle=of("signaled"), flags=_EXPORT | _TIMELINE, point=9),
    row("point before handle", _TO_FD, EINVAL, handle=NO_HANDLE, point=1),
    # -- FD_TO_HANDLE
    row("pad", _FROM_FD, EINVAL, *BOTH, fd=of("syncobj_file"), pad=1),
    row("unknown flag", _FROM_FD, EINVAL, *BOTH, fd=of("syncobj_file"), flags=4),
    row("closed", _FROM_FD, EINVAL, *BOTH, fd=900),
    row("not a syncobj", _FROM_FD, EINVAL, *BOTH, fd=of("sync_file")),
    row("foreign file", _FROM_FD, EINVAL, *BOTH, fd=of("dev_null")),
    row("the node itself", _FROM_FD, EINVAL, *BOTH, fd=of("fd")),
    row("point of a whole syncobj", _FROM_FD, EINVAL, fd=of("syncobj_file"), point=1),
    row("import of no sync_file before handle", _FROM_FD, EINVAL, *BOTH, fd=900, flags=_EXPORT, handle=NO_HANDLE),
    row("import into unknown handle", _FROM_FD, ENOENT, *BOTH, fd=of("sync_file"), flags=_EXPORT, handle=NO_HANDLE),
    row(
        "import ignores point without TIMELINE",
        _FROM_FD,
        0,
        *BOTH,
        fd=of("sync_file"),
        flags=_EXPORT,
        handle=of("empty"),
        point=5,
    ),
    # -- WAIT, TIMELINE_WAIT
    row("unknown flag before count 0", _WAIT, EINVAL, *BOTH, flags=0x10),
    row("AVAILABLE is for timelines", _WAIT, EINVAL, *BOTH, flags=_AVAILABLE),
    row("nothing to wait for, pointer unread", _WAIT, 0, *BOTH, handles=BAD),
    row("handles unreadable", _WAIT, EFAULT, *BOTH, handles=BAD, count_handles=1),
    row("too many handles", _WAIT, ENOMEM, *BOTH, handles=BAD, count_handles=MAX_HANDLES + 1),
    row("as many as can be", _WAIT, EFAULT, *BOTH, handles=BAD, count_handles=MAX_HANDLES),
    row("unknown among known", _WAIT, ENOENT, *BOTH, handles=array("signaled", NO_HANDLE), count_handles=2),
    row("no fence beats a signalled one", _WAIT, EINVAL, *BOTH, handles=array("signaled", "empty"), count_handles=2),
    row("no fence beats a timeout", _WAIT, EINVAL, *BOTH, handles=array("pending", "empty"), count_handles=2),
    row("pending", _WAIT, ETIME, *BOTH, handles=array("pending"), count_handles=1),
    row("one of them", _WAIT, 0, *BOTH, handles=array("pending", "signaled"), count_handles=2),
    row("all of them", _WAIT, ETIME, *BOTH, handles=array("pending", "signaled"), count_handles=2, flags=_ALL),
    row("not submitted in time", _WAIT, ETIME, *BOTH, handles=array("empty"), count_handles=1, flags=_FOR_SUBMIT),
    row("negative is past", _WAIT, ETIME, *BOTH, handles=array("pending"), count_handles=1, timeout_nsec=-1),
    row("padding is not looked at", _WAIT, 0, *BOTH, handles=array("signaled"), count_handles=1, pad=7),
    row("unknown flag", _TIMELINE_WAIT, EINVAL, *BOTH, flags=0x10),
    row("nothing to wait for", _TIMELINE_WAIT, 0, *BOTH, handles=BAD, points=BAD),
    row("handle before points", _TIMELINE_WAIT, ENOENT, *BOTH, handles=array(NO_HANDLE), points=BAD, count_handles=1),
    row("points unreadable", _TIMELINE_WAIT, EFAULT, *BOTH, handles=array("empty"), points=BAD, count_handles=1),
    row("no points are points 0", _TIMELINE_WAIT, 0, *BOTH, handles=array("signaled"), count_handles=1),
    row("no fence", _TIMELINE_WAIT, EINVAL, *BOTH, handles=array("empty"), count_handles=1),
    row("not available", _TIMELINE_WAIT, ETIME, *BOTH, handles=array("empty"), count_handles=1, flags=_AVAILABLE),
    row("available", _TIMELINE_WAIT, 0, *BOTH, handles=array("pending"), count_handles=1, flags=_AVAILABLE),
    # -- RESET, SIGNAL, TIMELINE_SIGNAL, QUERY
    *(
        entry
        for ioctl in (drm.IOCTL_SYNCOBJ_RESET, drm.IOCTL_SYNCOBJ_SIGNAL)
        for entry in (
            row("pad before count", ioctl, EINVAL, *BOTH, pad=1),
            row("no handles", ioctl, EINVAL, *BOTH, handles=BAD),
            row("handles unreadable", ioctl, EFAULT, *BOTH, handles=BAD, count_handles=1),
            row("unknown handle", ioctl, ENOENT, *BOTH, handles=array("empty", NO_HANDLE), count_handles=2),
        )
    ),
    row("flags before count", _SIGNAL_POINTS, EINVAL, *BOTH, flags=1),
    row("no handles", _SIGNAL_POINTS, EINVAL, *BOTH),
    row("unknown handle", _SIGNAL_POINTS, ENOENT, *BOTH, handles=array(NO_HANDLE), points=BAD, count_handles=1),
    row("points unreadable", _SIGNAL_POINTS, EFAULT, *BOTH, handles=array("empty"), points=BAD, count_handles=1),
    row("no points are points 0", _SIGNAL_POINTS, 0, *BOTH, handles=array("empty"), count_handles=1),
    row("unknown flag", _QUERY, EINVAL, *BOTH, flags=2),
    row("no handles", _QUERY, EINVAL, *BOTH),
    row("unknown handle before points", _QUERY, ENOENT, *BOTH, handles=array(NO_HANDLE), count_handles=1),
    row("points not writable", _QUERY, EFAULT, *BOTH, handles=array("empty"), points=BAD, count_handles=1),
    row("points are written to at NULL too", _QUERY, EFAULT, *BOTH, handles=array("empty"), count_handles=1),
    # -- TRANSFER
    row("pad before handles", _TRANSFER, EINVAL, *BOTH, src_handle=NO_HANDLE, dst_handle=NO_HANDLE, pad=1),
    row("unknown destination first", _TRANSFER, ENOENT, *BOTH, dst_handle=NO_HANDLE, flags=EVERY_FLAG),
    row("flags before source", _TRANSFER, EINVAL, *BOTH, dst_handle=of("empty"), src_handle=NO_HANDLE, flags=1),
    row("unknown source", _TRANSFER, ENOENT, *BOTH, dst_handle=of("empty"), src_handle=NO_HANDLE),
    row("source without fence", _TRANSFER, EINVAL, *BOTH, dst_handle=of("empty"), src_handle=of("empty")),
    row("destination point, no source", _TRANSFER, ENOENT, *BOTH, dst_handle=of("empty"), dst_point=1),
    row("source point beyond", _TRANSFER, EINVAL, *BOTH, dst_handle=of("empty"), src_handle=of("pending"), src_point=3),
    # -- EVENTFD
    row("unknown flag", _EVENTFD, EINVAL, *BOTH, handle=NO_HANDLE, flags=1),
    row("pad", _EVENTFD, EINVAL, *BOTH, handle=NO_HANDLE, pad=1),
    row("unknown handle before descriptor", _EVENTFD, ENOENT, *BOTH, handle=NO_HANDLE, fd=900),
    row("closed", _EVENTFD, EBADF, *BOTH, handle=of("empty"), fd=900),
    row("not an eventfd", _EVENTFD, EINVAL, *BOTH, handle=of("empty"), fd=of("dev_null")),
    row("a mock file", _EVENTFD, EINVAL, *BOTH, handle=of("empty"), fd=of("sync_file")),
    row("in order", _EVENTFD, 0, *BOTH, handle=of("signaled"), fd=of("eventfd")),
)


@matrix(ROWS)
def test_t15_errors_of_syncobj_ioctls(client: Client, row: Row) -> None:
    """Each row ends with the errno of the first check that fails."""
    row.check(client)
