# SPDX-License-Identifier: MIT
"""Errors of the syncobj ioctls and their order (KERNEL.md 1.5; row T15).

A client has ``empty``, ``signaled`` and ``pending`` syncobjs, the descriptors ``sync_file`` (of the pending fence),
``syncobj_file`` and ``eventfd``, and ``u32s``.
"""

from __future__ import annotations

from errno import EFAULT, EINVAL, ENOENT, ETIME

from amdgpu_hw.proof.errnos import BAD, NO_HANDLE, Row, of, row
from amdgpu_hw.proof.errnos import addresses as array
from amdgpu_hw.uapi import drm

__all__ = ("ROWS",)

EVERY_FLAG = 0xFFFFFFFF

_EXPORT = drm.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
_POINT = drm.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE
_ALL = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL
_FOR_SUBMIT = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
_AVAILABLE = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
_TO_FD, _FROM_FD = drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, drm.IOCTL_SYNCOBJ_FD_TO_HANDLE
_WAIT, _TIMELINE_WAIT = drm.IOCTL_SYNCOBJ_WAIT, drm.IOCTL_SYNCOBJ_TIMELINE_WAIT
_SIGNAL_POINTS, _QUERY = drm.IOCTL_SYNCOBJ_TIMELINE_SIGNAL, drm.IOCTL_SYNCOBJ_QUERY
_TRANSFER, _EVENTFD = drm.IOCTL_SYNCOBJ_TRANSFER, drm.IOCTL_SYNCOBJ_EVENTFD

ROWS: tuple[Row, ...] = (
    row("unknown flag", drm.IOCTL_SYNCOBJ_CREATE, EINVAL, flags=2),
    row("pad before handle", drm.IOCTL_SYNCOBJ_DESTROY, EINVAL, handle=of("empty"), pad=1),
    row("unknown handle", drm.IOCTL_SYNCOBJ_DESTROY, EINVAL, handle=NO_HANDLE),
    row("pad", _TO_FD, EINVAL, handle=of("signaled"), pad=1),
    row("unknown flag", _TO_FD, EINVAL, handle=of("signaled"), flags=4),
    row("unknown handle", _TO_FD, EINVAL, handle=NO_HANDLE),
    row("export of unknown handle", _TO_FD, ENOENT, handle=NO_HANDLE, flags=_EXPORT),
    row("export without fence", _TO_FD, EINVAL, handle=of("empty"), flags=_EXPORT),
    row("export ignores point without TIMELINE", _TO_FD, 0, handle=of("signaled"), flags=_EXPORT, point=9),
    # Up to 6.15 there are no points: the flag is an unknown one.
    row("a syncobj has no point", _TO_FD, EINVAL, handle=of("signaled"), flags=_POINT, point=9),
    row("pad", _FROM_FD, EINVAL, fd=of("syncobj_file"), pad=1),
    row("unknown flag", _FROM_FD, EINVAL, fd=of("syncobj_file"), flags=4),
    row("not a syncobj", _FROM_FD, EINVAL, fd=of("sync_file")),
    row("a syncobj has no point", _FROM_FD, EINVAL, fd=of("syncobj_file"), flags=_POINT, point=9),
    row("import into unknown handle", _FROM_FD, ENOENT, fd=of("sync_file"), flags=_EXPORT, handle=NO_HANDLE),
    row(
        "import ignores point without TIMELINE",
        _FROM_FD,
        0,
        fd=of("sync_file"),
        flags=_EXPORT,
        handle=of("empty"),
        point=5,
    ),
    row("unknown flag before count 0", _WAIT, EINVAL, flags=0x10),
    row("AVAILABLE is for timelines", _WAIT, EINVAL, flags=_AVAILABLE),
    # EINVAL up to 6.1.
    row("nothing to wait for, pointer unread", _WAIT, (0, EINVAL), handles=BAD),
    row("handles unreadable", _WAIT, EFAULT, handles=BAD, count_handles=1),
    row("unknown among known", _WAIT, ENOENT, handles=array("signaled", NO_HANDLE), count_handles=2),
    row("no fence beats a signalled one", _WAIT, EINVAL, handles=array("signaled", "empty"), count_handles=2),
    row("no fence beats a timeout", _WAIT, EINVAL, handles=array("pending", "empty"), count_handles=2),
    row("pending", _WAIT, ETIME, handles=array("pending"), count_handles=1),
    row("one of them", _WAIT, 0, handles=array("pending", "signaled"), count_handles=2),
    row("all of them", _WAIT, ETIME, handles=array("pending", "signaled"), count_handles=2, flags=_ALL),
    row("one of them, one to come", _WAIT, 0, handles=array("empty", "signaled"), count_handles=2, flags=_FOR_SUBMIT),
    row("not submitted in time", _WAIT, ETIME, handles=array("empty"), count_handles=1, flags=_FOR_SUBMIT),
    row("negative is past", _WAIT, ETIME, handles=array("pending"), count_handles=1, timeout_nsec=-1),
    row("padding is not looked at", _WAIT, 0, handles=array("signaled"), count_handles=1, pad=7),
    row("unknown flag", _TIMELINE_WAIT, EINVAL, flags=0x10),
    row("nothing to wait for", _TIMELINE_WAIT, (0, EINVAL), handles=BAD, points=BAD),
    row("handle before points", _TIMELINE_WAIT, ENOENT, handles=array(NO_HANDLE), points=BAD, count_handles=1),
    row("points unreadable", _TIMELINE_WAIT, EFAULT, handles=array("empty"), points=BAD, count_handles=1),
    row("no points are points 0", _TIMELINE_WAIT, 0, handles=array("signaled"), count_handles=1),
    row(
        "one of them, one to come",
        _TIMELINE_WAIT,
        0,
        handles=array("empty", "signaled"),
        count_handles=2,
        flags=_FOR_SUBMIT,
    ),
    row("no fence", _TIMELINE_WAIT, EINVAL, handles=array("empty"), count_handles=1),
    row("not available", _TIMELINE_WAIT, ETIME, handles=array("empty"), count_handles=1, flags=_AVAILABLE),
    row("available", _TIMELINE_WAIT, 0, handles=array("pending"), count_handles=1, flags=_AVAILABLE),
    *(
        entry
        for ioctl in (drm.IOCTL_SYNCOBJ_RESET, drm.IOCTL_SYNCOBJ_SIGNAL)
        for entry in (
            row("pad before count", ioctl, EINVAL, pad=1),
            row("no handles", ioctl, EINVAL, handles=BAD),
            row("handles unreadable", ioctl, EFAULT, handles=BAD, count_handles=1),
            row("unknown handle", ioctl, ENOENT, handles=array("empty", NO_HANDLE), count_handles=2),
        )
    ),
    row("flags before count", _SIGNAL_POINTS, EINVAL, flags=1),
    row(
        "no handles",
        _SIGNAL_POINTS,
        EINVAL,
    ),
    row("unknown handle", _SIGNAL_POINTS, ENOENT, handles=array(NO_HANDLE), points=BAD, count_handles=1),
    row("points unreadable", _SIGNAL_POINTS, EFAULT, handles=array("empty"), points=BAD, count_handles=1),
    row("no points are points 0", _SIGNAL_POINTS, 0, handles=array("empty"), count_handles=1),
    row("unknown flag", _QUERY, EINVAL, flags=2),
    row(
        "no handles",
        _QUERY,
        EINVAL,
    ),
    row("unknown handle before points", _QUERY, ENOENT, handles=array(NO_HANDLE), count_handles=1),
    row("points not writable", _QUERY, EFAULT, handles=array("empty"), points=BAD, count_handles=1),
    row("points are written to at NULL too", _QUERY, EFAULT, handles=array("empty"), count_handles=1),
    row("pad before handles", _TRANSFER, EINVAL, src_handle=NO_HANDLE, dst_handle=NO_HANDLE, pad=1),
    row("unknown destination first", _TRANSFER, ENOENT, dst_handle=NO_HANDLE, flags=EVERY_FLAG),
    row("source before flags", _TRANSFER, ENOENT, dst_handle=of("empty"), src_handle=NO_HANDLE, flags=1),
    row("unknown flag", _TRANSFER, EINVAL, dst_handle=of("empty"), src_handle=of("empty"), flags=1),
    row("unknown source", _TRANSFER, ENOENT, dst_handle=of("empty"), src_handle=NO_HANDLE),
    row("source without fence", _TRANSFER, EINVAL, dst_handle=of("empty"), src_handle=of("empty")),
    row("unknown source of a point", _TRANSFER, ENOENT, dst_handle=of("empty"), src_handle=NO_HANDLE, dst_point=1),
    row("source point beyond", _TRANSFER, EINVAL, dst_handle=of("empty"), src_handle=of("pending"), src_point=3),
    row("in order", _TRANSFER, 0, src_handle=of("signaled"), dst_handle=of("empty"), flags=_FOR_SUBMIT),
    row("unknown flag", _EVENTFD, EINVAL, handle=NO_HANDLE, flags=1),
    row("pad", _EVENTFD, EINVAL, handle=NO_HANDLE, pad=1),
    row("a mock file", _EVENTFD, EINVAL, handle=of("empty"), fd=of("sync_file")),
    # It came with 6.6.
    row("in order", _EVENTFD, (0, EINVAL), handle=of("signaled"), fd=of("eventfd")),
    # Not DESTROY of handle 0: 7.3 gives that out from then on, and elsewhere it means no syncobj.
)
