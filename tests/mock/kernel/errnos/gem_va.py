# SPDX-License-Identifier: MIT
"""GEM_VA: each check of KERNEL.md 3.2 alone, and each before the next one, on every kernel."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from amdgpu_hw.memory import PAGE_SIZE as PAGE
from amdgpu_hw.mock.variants import VARIANTS
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.errnos import BAD, IB_VA, NO_HANDLE, Argument, ErrnoClient, Row, row

__all__ = ("ROWS",)

OLDEST, OLD, STABLE, NEW, POSTED, FIXED = "6.1", "6.12", "6.18", "base", "series-v1", "series-fixed"
ALL = tuple(VARIANTS)
SERIES = (POSTED, FIXED)
EINVAL, ENOENT, EFAULT, ENOMEM = errno.EINVAL, errno.ENOENT, errno.EFAULT, errno.ENOMEM

VA = 0x80_0000
_GEM_VA = drm.IOCTL_AMDGPU_GEM_VA
MAP, UNMAP, CLEAR, REPLACE = (
    drm.AMDGPU_VA_OP_MAP,
    drm.AMDGPU_VA_OP_UNMAP,
    drm.AMDGPU_VA_OP_CLEAR,
    drm.AMDGPU_VA_OP_REPLACE,
)
RW = drm.AMDGPU_VM_PAGE_READABLE | drm.AMDGPU_VM_PAGE_WRITEABLE
DELAY, PRT, E = drm.AMDGPU_VM_DELAY_UPDATE, drm.AMDGPU_VM_PAGE_PRT, 1 << 10


def bo(client: ErrnoClient) -> int:
    """A buffer of one page."""
    return client.bo()


def syncobj(client: ErrnoClient) -> int:
    """A syncobj without fence."""
    return client.syncobj()


def handles(*values: int | Callable[[ErrnoClient], int]) -> Callable[[ErrnoClient], int]:
    """Address of input fences."""
    return lambda c: c.u32s(*(value(c) if callable(value) else value for value in values))


def va(why: str, expected: int, *variants: str, **changes: Any) -> Row:
    """A MAP of one page that is right but for ``changes``."""
    fields: dict[str, Argument] = {"handle": bo, "operation": MAP, "flags": RW, "va_address": VA, "map_size": PAGE}
    return row(why, _GEM_VA, expected, *(variants or ALL), **fields | changes)


def flags(value: int, expected: int, *variants: str) -> Row:
    """A CLEAR with a flag word."""
    return va(f"flags {value:#x}", expected, *variants, operation=CLEAR, flags=value)


ROWS: tuple[Row, ...] = (
    va("in order", 0),
    # -- addresses (1 to 3)
    va("reserved bottom", EINVAL, va_address=0xF000),
    va("first usable page", 0, *(name for name in ALL if name != OLDEST), va_address=0x1_0000),
    va("reserved bottom", EINVAL, OLDEST, va_address=0x1F_F000),
    va("first usable page", 0, OLDEST, va_address=0x20_0000),
    va("hole", EINVAL, va_address=1 << 47),
    va("end of the hole", EINVAL, va_address=0xFFFF_7FFF_FFFF_F000),
    va("reserved top", EINVAL, va_address=0xFFFF_FFFF_FFFF_F000),
    va("size of an unmap counts", EINVAL, operation=UNMAP, map_size=1 << 60),
    va("address before flags", EINVAL, va_address=0, flags=1 << 20),
    # -- flags and operation (4, 5)
    *(flags(value, 0) for value in (0, DELAY, PRT, PRT | DELAY, 0x1E0, 0x200, 0xF << 5)),
    *(flags(value, EINVAL) for value in (PRT | RW, PRT | 0x20, PRT | 0x200, 1 << 11, 1 << 31)),
    *(flags(E | value, EINVAL, OLD, STABLE, NEW) for value in (0, PRT, RW, DELAY)),
    *(flags(E | value, 0, *SERIES) for value in (0, PRT, RW, DELAY, PRT | DELAY)),
    *(flags(E | value, EINVAL, *SERIES) for value in (PRT | RW, 1 << 11)),
    va("flags before handle", EINVAL, handle=NO_HANDLE, flags=1 << 20),
    va("operation 0", EINVAL, operation=0),
    va("operation 5 before handle", EINVAL, operation=5, handle=NO_HANDLE),
    # -- out syncobj with DELAY (6)
    va("DELAY with out syncobj", EINVAL, NEW, *SERIES, flags=RW | DELAY, vm_timeline_syncobj_out=syncobj),
    va("the same before handle", EINVAL, NEW, handle=NO_HANDLE, flags=RW | DELAY, vm_timeline_syncobj_out=5),
    va("DELAY with out syncobj", 0, OLD, STABLE, flags=RW | DELAY, vm_timeline_syncobj_out=syncobj),
    # -- handle (7)
    va("unknown handle", ENOENT, handle=NO_HANDLE),
    va("handle before input fences", ENOENT, handle=NO_HANDLE, num_syncobj_handles=1, input_fence_syncobj_handles=BAD),
    va("PRT needs no handle", 0, handle=NO_HANDLE, flags=PRT),
    va("CLEAR needs no handle", 0, handle=NO_HANDLE, operation=CLEAR),
    va("padding is not looked at", 0, _pad=7),
    # -- input fences (8)
    *(
        va(why, expected, STABLE, NEW, *SERIES, num_syncobj_handles=count, input_fence_syncobj_handles=address)
        for why, expected, count, address in (
            ("fences unreadable", EFAULT, 1, BAD),
            ("no fences, pointer unread", 0, 0, BAD),
            ("more fences than one allocation", ENOMEM, (1 << 20) + 1, BAD),
            ("fence 0", EINVAL, 1, handles(0)),
            ("unknown fence", ENOENT, 1, handles(NO_HANDLE)),
            ("syncobj without fence", EINVAL, 1, handles(syncobj)),
            ("in order of the array", ENOENT, 2, handles(NO_HANDLE, 0)),
        )
    ),
    va("no such field yet", 0, OLD, num_syncobj_handles=1, input_fence_syncobj_handles=BAD),
    # -- out syncobj (11)
    va("unknown out syncobj", ENOENT, STABLE, NEW, *SERIES, vm_timeline_syncobj_out=NO_HANDLE),
    va("no such field yet", 0, OLD, vm_timeline_syncobj_out=NO_HANDLE),
    va("out syncobj before parameters", ENOENT, STABLE, NEW, *SERIES, vm_timeline_syncobj_out=NO_HANDLE, map_size=1),
    # -- parameters (12)
    *(
        va(f"{why} of operation {operation}", EINVAL, operation=operation, **changes)
        for operation in (MAP, REPLACE)
        for why, changes in (
            ("size 0", {"map_size": 0}),
            ("odd size", {"map_size": PAGE + 1}),
            ("odd address", {"va_address": VA + 1}),
            ("odd offset", {"offset_in_bo": 1}),
            ("end beyond the buffer", {"offset_in_bo": PAGE}),
            ("offset that overflows", {"offset_in_bo": (1 << 64) - PAGE}),
        )
    ),
    va("odd size of CLEAR", EINVAL, operation=CLEAR, map_size=PAGE + 1),
    va("size 0 of CLEAR", EINVAL, operation=CLEAR, map_size=0),
    va("offset of CLEAR is no matter", 0, operation=CLEAR, offset_in_bo=1),
    va("nothing to unmap", ENOENT, operation=UNMAP),
    va("nothing to unmap, odd everything", ENOENT, operation=UNMAP, va_address=VA + 1, map_size=3, offset_in_bo=5),
    va("overlap", EINVAL, va_address=IB_VA),
    va("replacing what is there", 0, operation=REPLACE, va_address=IB_VA),
)
