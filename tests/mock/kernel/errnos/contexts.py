# SPDX-License-Identifier: MIT
"""Contexts, and SCHED on the primary node (KERNEL.md 2.5); CTX from a client that is neither root nor master."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.errnos import NO_HANDLE, Row, of, row

__all__ = ("CTX_ROWS", "SCHED_ROWS")

EINVAL, EACCES = errno.EINVAL, errno.EACCES

_CTX, _SCHED = drm.IOCTL_AMDGPU_CTX, drm.IOCTL_AMDGPU_SCHED


def ctx(op: str, **fields: int | Callable[[Any], int]) -> dict[str, Any]:
    """Fields of a CTX operation on the client's context."""
    return {"op": getattr(drm, f"AMDGPU_CTX_OP_{op}"), "ctx_id": of("ctx"), **fields}


_BY_ID = ("FREE_CTX", "QUERY_STATE", "QUERY_STATE2", "GET_STABLE_PSTATE")

CTX_ROWS: tuple[Row, ...] = (
    row("unknown op", _CTX, EINVAL, op=0),
    row("unknown op", _CTX, EINVAL, op=7),
    row("alloc with flags", _CTX, EINVAL, **ctx("ALLOC_CTX", flags=1)),
    row("flags before priority", _CTX, EINVAL, **ctx("ALLOC_CTX", flags=1, priority=512)),
    row("high priority", _CTX, EACCES, **ctx("ALLOC_CTX", priority=512)),
    row("very high priority", _CTX, EACCES, **ctx("ALLOC_CTX", priority=1023)),
    row("garbage is normal priority", _CTX, 0, **ctx("ALLOC_CTX", priority=513)),
    row("unset is normal priority", _CTX, 0, **ctx("ALLOC_CTX", priority=-2048)),
    *(row(f"{op} with flags", _CTX, EINVAL, **ctx(op, flags=1)) for op in _BY_ID),
    *(row(f"{op} of unknown", _CTX, EINVAL, **ctx(op, ctx_id=NO_HANDLE)) for op in _BY_ID),
    *(row(f"{op} of 0", _CTX, EINVAL, **ctx(op, ctx_id=0)) for op in _BY_ID),
    row("unknown state", _CTX, EINVAL, **ctx("SET_STABLE_PSTATE", flags=5)),
    row("flags beyond the state", _CTX, EINVAL, **ctx("SET_STABLE_PSTATE", flags=0x10)),
    row("state of unknown", _CTX, EINVAL, **ctx("SET_STABLE_PSTATE", flags=1, ctx_id=NO_HANDLE)),
)

SCHED_ROWS: tuple[Row, ...] = (
    row("unknown op", _SCHED, EINVAL, op=0, fd=900),
    row("invalid priority", _SCHED, EINVAL, op=1, priority=1, fd=900),
    row("unset is invalid", _SCHED, EINVAL, op=1, priority=-2048, fd=of("fd")),
    row("closed", _SCHED, EINVAL, op=1, fd=900),
    row("unknown context", _SCHED, EINVAL, op=2, fd=of("fd"), ctx_id=NO_HANDLE),
    row("all contexts", _SCHED, 0, op=1, fd=of("fd")),
    row("one context", _SCHED, 0, op=2, fd=of("fd"), ctx_id=of("ctx")),
)
