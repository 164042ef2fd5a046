# SPDX-License-Identifier: MIT
"""Syncobjs (KERNEL.md 1.5, E12), from a client as in `amdgpu_hw.proof.errnos.syncobjs`.

It also has the descriptors ``dev_null`` and ``fd``, the node's own.
"""

from __future__ import annotations

import errno

from amdgpu_hw.proof.errnos import syncobjs
from amdgpu_hw.uapi import drm
from tests.mock.kernel.errnos import BAD, NO_HANDLE, Row, of, on, row

__all__ = ("ROWS",)

NEW, OLD = "base", "6.12"
BOTH = (NEW, OLD)
MAX_HANDLES = (4 << 20) // 4
"""The kernel's copy of the handles is one kmalloc."""

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
