# SPDX-License-Identifier: MIT
"""Waiting for submissions: WAIT_CS, WAIT_FENCES, FENCE_TO_HANDLE (KERNEL.md 2.8).

From a client that has made one submission, to SDMA.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.errnos import BAD, NO_HANDLE, Argument, ErrnoClient, Row, row

__all__ = ("WAIT_ROWS",)

ALL = ("base", "6.18", "6.12")
SDMA = drm.AMDGPU_HW_IP_DMA
EINVAL, EFAULT = errno.EINVAL, errno.EFAULT
LATEST = (1 << 64) - 1

_WAIT_CS, _WAIT_FENCES = drm.IOCTL_AMDGPU_WAIT_CS, drm.IOCTL_AMDGPU_WAIT_FENCES
_TO_HANDLE = drm.IOCTL_AMDGPU_FENCE_TO_HANDLE
MAX_FENCES = (4 << 20) // drm.FENCE.size


def fences(*sequences: int) -> Callable[[ErrnoClient], int]:
    """Address of fences of the client's SDMA ring."""
    return lambda c: c.alloc(
        b"".join(drm.FENCE.pack(ctx_id=c.ctx, ip_type=SDMA, seq_no=sequence) for sequence in sequences)
    )


def by_ctx(client: ErrnoClient) -> int:
    """The client's context."""
    return client.ctx


_NAMES: tuple[tuple[str, dict[str, Argument]], ...] = (
    ("unknown context", {"ctx_id": NO_HANDLE, "ip_instance": 1}),
    ("unknown IP", {"ctx_id": by_ctx, "ip_type": 10}),
    ("instance", {"ctx_id": by_ctx, "ip_type": SDMA, "ip_instance": 1}),
    ("ring", {"ctx_id": by_ctx, "ip_type": SDMA, "ring": 2}),
)
_TO_COME: dict[str, Argument] = {"ctx_id": by_ctx, "ip_type": SDMA}

WAIT_ROWS: tuple[Row, ...] = (
    *(row(why, _WAIT_CS, EINVAL, *ALL, **fields) for why, fields in _NAMES),
    row("not submitted", _WAIT_CS, EINVAL, *ALL, **_TO_COME, handle=2),
    row("latest", _WAIT_CS, 0, *ALL, **_TO_COME, handle=LATEST),
    row("unreadable", _WAIT_FENCES, EFAULT, *ALL, fences=BAD, fence_count=1),
    row("as many as can be", _WAIT_FENCES, EFAULT, *ALL, fences=BAD, fence_count=MAX_FENCES),
    row("too many", _WAIT_FENCES, errno.ENOMEM, *ALL, fences=BAD, fence_count=MAX_FENCES + 1),
    row("any of none", _WAIT_FENCES, EINVAL, *ALL, fences=BAD),
    row("all of none", _WAIT_FENCES, 0, *ALL, fences=BAD, wait_all=1),
    row("not submitted", _WAIT_FENCES, EINVAL, *ALL, fences=fences(1, 2), fence_count=2),
    row("all, one not submitted", _WAIT_FENCES, EINVAL, *ALL, fences=fences(1, 2), fence_count=2, wait_all=1),
    *(row(f"{why} before what", _TO_HANDLE, EINVAL, *ALL, **fields, what=99) for why, fields in _NAMES),
    row("not submitted", _TO_HANDLE, EINVAL, *ALL, **_TO_COME, seq_no=2),
    *(row(f"what {what}", _TO_HANDLE, 0, *ALL, **_TO_COME, seq_no=1, what=what) for what in range(3)),
    row("unknown what", _TO_HANDLE, EINVAL, *ALL, **_TO_COME, seq_no=1, what=3),
    row("padding is not looked at", _TO_HANDLE, 0, *ALL, **_TO_COME, seq_no=1, pad=1),
)
