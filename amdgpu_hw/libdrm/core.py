# SPDX-License-Identifier: MIT
"""libdrm's own calls (xf86drm.h) on an open DRM node: who drives it, what it can do, syncobjs."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import NamedTuple

from amdgpu_hw.errors import DrmError
from amdgpu_hw.libdrm.calls import check, check_errno, ffi, lib

__all__ = (
    "DriverVersion",
    "get_cap",
    "syncobj_create",
    "syncobj_destroy",
    "syncobj_query",
    "syncobj_reset",
    "syncobj_signal",
    "syncobj_transfer",
    "syncobj_wait",
    "version",
)


class DriverVersion(NamedTuple):
    """The driver behind a node, as DRM_IOCTL_VERSION answers."""

    name: str
    major: int
    minor: int
    patchlevel: int

    def __str__(self) -> str:
        return f"{self.name} {self.major}.{self.minor}.{self.patchlevel}"


def version(fd: int) -> DriverVersion:
    """Which driver this node belongs to (`drmGetVersion`)."""
    found = lib.drmGetVersion(fd)
    if found == ffi.NULL:
        raise DrmError(ffi.errno or errno.ENOTTY, "DRM_IOCTL_VERSION", {"fd": fd})
    try:
        name = ffi.string(found.name, found.name_len).decode()
        return DriverVersion(name, found.version_major, found.version_minor, found.version_patchlevel)
    finally:
        lib.drmFreeVersion(found)


def get_cap(fd: int, capability: int) -> int:
    """The value of a DRM_CAP_*; 0 where the kernel does not know it."""
    value = ffi.new("uint64_t *")
    return int(value[0]) if lib.drmGetCap(fd, capability, value) == 0 else 0


def syncobj_create(fd: int, flags: int) -> int:
    """A new syncobj's handle."""
    handle = ffi.new("uint32_t *")
    check_errno(lib.drmSyncobjCreate(fd, flags, handle), "DRM_IOCTL_SYNCOBJ_CREATE", flags=flags)
    return int(handle[0])


def syncobj_destroy(fd: int, handle: int) -> None:
    """Give a handle back."""
    check_errno(lib.drmSyncobjDestroy(fd, handle), "DRM_IOCTL_SYNCOBJ_DESTROY", handle=handle)


def syncobj_wait(fd: int, handles: Sequence[int], points: Sequence[int], deadline_ns: int, flags: int) -> bool:
    """Wait until an absolute CLOCK_MONOTONIC time; False if it passed first."""
    ret = lib.drmSyncobjTimelineWait(fd, handles, points, len(handles), deadline_ns, flags, ffi.NULL)
    if ret == -errno.ETIME:
        return False
    check(ret, "DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT", handles=handles, points=points, flags=flags)
    return True


def syncobj_reset(fd: int, handle: int) -> None:
    """Take the fence out."""
    check_errno(lib.drmSyncobjReset(fd, [handle], 1), "DRM_IOCTL_SYNCOBJ_RESET", handle=handle)


def syncobj_signal(fd: int, handle: int, point: int) -> None:
    """Put a signalled fence in; with a point, as the next point of the timeline."""
    if point == 0:
        check_errno(lib.drmSyncobjSignal(fd, [handle], 1), "DRM_IOCTL_SYNCOBJ_SIGNAL", handle=handle)
    else:
        ret = lib.drmSyncobjTimelineSignal(fd, [handle], [point], 1)
        check_errno(ret, "DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL", handle=handle, point=point)


def syncobj_query(fd: int, handle: int, flags: int) -> int:
    """The last point of the timeline that has signalled (or been submitted, by flag)."""
    points = ffi.new("uint64_t[1]")
    ret = lib.drmSyncobjQuery2(fd, [handle], points, 1, flags)
    check_errno(ret, "DRM_IOCTL_SYNCOBJ_QUERY", handle=handle, flags=flags)
    return int(points[0])


def syncobj_transfer(fd: int, source: tuple[int, int], target: tuple[int, int], flags: int) -> None:
    """Copy the fence of one (handle, point) to another."""
    ret = lib.drmSyncobjTransfer(fd, target[0], target[1], source[0], source[1], flags)
    check_errno(ret, "DRM_IOCTL_SYNCOBJ_TRANSFER", source=source, target=target, flags=flags)
