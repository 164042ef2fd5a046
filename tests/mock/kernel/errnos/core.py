# SPDX-License-Identifier: MIT
"""The DRM core's ioctls, dma-bufs, sync files, timelines and vgem (KERNEL.md 1.1 to 1.4).

A client has the buffers ``plain`` and ``always_valid``, and descriptors: ``dma_buf`` and ``vgem_buf`` of buffers, the
sync file ``fence``, the sw_sync file ``timeline``, vgem's nodes ``vgem`` and ``vgem_card``.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from amdgpu_hw.uapi import amdgpu_drm as amdgpu
from amdgpu_hw.uapi import dma_buf, drm, sync_file, vgem_drm
from amdgpu_hw.uapi import sw_sync as sw
from tests.mock.kernel.errnos import BAD, NO_HANDLE, ErrnoClient, Row, of, row

__all__ = ("FILE_ROWS", "MASTER_ROWS", "RENDER_ROWS")

NEW, OLD = "base", "6.12"
BOTH = (NEW, OLD)
EINVAL, ENOENT, EFAULT, EACCES, EBADF, EPERM = (
    errno.EINVAL,
    errno.ENOENT,
    errno.EFAULT,
    errno.EACCES,
    errno.EBADF,
    errno.EPERM,
)


def text(content: bytes) -> Callable[[ErrnoClient], int]:
    """Address of some bytes."""
    return lambda client: client.alloc(content)


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
    row("padding is not looked at", drm.IOCTL_GEM_CLOSE, 0, *BOTH, handle=of("plain"), pad=1),
    row("unknown flag before handle", _TO_FD, EINVAL, *BOTH, handle=NO_HANDLE, flags=1),
    row("unknown handle", _TO_FD, ENOENT, *BOTH, handle=NO_HANDLE),
    row("always valid", _TO_FD, EPERM, *BOTH, handle=of("always_valid")),
    row("closed", _FROM_FD, EBADF, *BOTH, fd=900),
    row("negative", _FROM_FD, EBADF, *BOTH, fd=-1),
    row("not a dma-buf", _FROM_FD, EINVAL, *BOTH, fd=of("fence")),
    row("flags and handle are not looked at", _FROM_FD, 0, *BOTH, fd=of("dma_buf"), flags=0xFFFF, handle=NO_HANDLE),
    row("of another device", _FROM_FD, 0, *BOTH, fd=of("vgem_buf")),
    row("unknown handle", _CHANGE, ENOENT, handle=NO_HANDLE, new_handle=NO_HANDLE),
    row("itself", _CHANGE, 0, handle=of("plain"), new_handle=of("plain")),
    row("taken", _CHANGE, errno.ENOSPC, handle=of("plain"), new_handle=of("always_valid")),
    row("beyond an idr", _CHANGE, EINVAL, handle=of("plain"), new_handle=0xFFFFFFFF),
    row("not before 6.18", _CHANGE, EINVAL, OLD, handle=of("plain"), new_handle=NO_HANDLE),
)

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
