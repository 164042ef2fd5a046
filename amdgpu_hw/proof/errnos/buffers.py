# SPDX-License-Identifier: MIT
"""Errors of amdgpu's ioctls for buffers, lists and VMIDs, and their order (KERNEL.md 2.3 to 2.6; row T14).

A client has the buffers ``any`` and ``hidden`` (without CPU access), and ``entries`` of a BO list.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EFAULT, EINVAL, ENOENT, ENOMEM, EPERM
from typing import Any

from amdgpu_hw.memory import PAGE_SIZE
from amdgpu_hw.proof.errnos import BAD, NO_HANDLE, Row, of, row
from amdgpu_hw.uapi import amdgpu_drm as drm

__all__ = ("ROWS", "entries")

VRAM, GTT = drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_DOMAIN_GTT
HUGE = 1 << 50

_CREATE, _MMAP, _IDLE = drm.IOCTL_AMDGPU_GEM_CREATE, drm.IOCTL_AMDGPU_GEM_MMAP, drm.IOCTL_AMDGPU_GEM_WAIT_IDLE
_META, _OP, _BO_LIST, _VM = (
    drm.IOCTL_AMDGPU_GEM_METADATA,
    drm.IOCTL_AMDGPU_GEM_OP,
    drm.IOCTL_AMDGPU_BO_LIST,
    drm.IOCTL_AMDGPU_VM,
)
_GET_CREATE_INFO, _SET_PLACEMENT = drm.AMDGPU_GEM_OP_GET_GEM_CREATE_INFO, drm.AMDGPU_GEM_OP_SET_PLACEMENT
_LIST_CREATE, _LIST_DESTROY, _LIST_UPDATE = (
    drm.AMDGPU_BO_LIST_OP_CREATE,
    drm.AMDGPU_BO_LIST_OP_DESTROY,
    drm.AMDGPU_BO_LIST_OP_UPDATE,
)


def entries(*names: str | int) -> Callable[[Any], int]:
    """Address of a BO list's entries: attributes of the client, or handles (``client.entries``)."""
    return lambda client: int(client.entries(*(getattr(client, n) if isinstance(n, str) else n for n in names)))


ROWS: tuple[Row, ...] = (
    row("unknown domain", _CREATE, EINVAL, bo_size=PAGE_SIZE, domains=0x100),
    row("domain beyond 32 bits", _CREATE, EINVAL, bo_size=PAGE_SIZE, domains=1 << 32),
    row("flags before size", _CREATE, EINVAL, bo_size=HUGE, domains=VRAM, domain_flags=1 << 5),
    row("never fits in VRAM", _CREATE, ENOMEM, bo_size=HUGE, domains=VRAM),
    row("never fits in GTT", _CREATE, ENOMEM, bo_size=HUGE, domains=GTT),
    row("unknown handle", _MMAP, ENOENT, handle=NO_HANDLE),
    row("no CPU access", _MMAP, EPERM, handle=of("hidden")),
    row("unknown handle", _IDLE, ENOENT, handle=NO_HANDLE),
    row("flags are not looked at", _IDLE, 0, handle=of("any"), flags=0xFFFF),
    row("unknown handle", _META, ENOENT, handle=NO_HANDLE, op=1, data_size_bytes=999),
    row("too long", _META, EINVAL, handle=of("any"), op=1, data_size_bytes=257),
    row("too long to get is no matter", _META, 0, handle=of("any"), op=2, data_size_bytes=257),
    row("unknown op does nothing", _META, 0, handle=of("any"), op=3, data_size_bytes=257),
    row("unknown handle before op", _OP, ENOENT, handle=NO_HANDLE, op=99),
    row("unknown op", _OP, EINVAL, handle=of("any"), op=99),
    row("not writable", _OP, EFAULT, handle=of("any"), op=_GET_CREATE_INFO, value=BAD),
    row("any placement", _OP, 0, handle=of("any"), op=_SET_PLACEMENT, value=0xFFFF_FFFF_FFFF_FFFF),
    # Up to 7.2 entries come before the operation, and have any size.
    row(
        "entries before operation",
        _BO_LIST,
        (EFAULT, EINVAL),
        operation=9,
        bo_number=1,
        bo_info_size=8,
        bo_info_ptr=BAD,
    ),
    row("unknown operation", _BO_LIST, EINVAL, operation=9),
    row("unknown buffer", _BO_LIST, ENOENT, bo_number=1, bo_info_size=8, bo_info_ptr=entries(NO_HANDLE)),
    row(
        "unknown buffer before list",
        _BO_LIST,
        ENOENT,
        operation=_LIST_UPDATE,
        list_handle=NO_HANDLE,
        bo_number=2,
        bo_info_size=8,
        bo_info_ptr=entries("any", NO_HANDLE),
    ),
    row("unknown list", _BO_LIST, ENOENT, operation=_LIST_UPDATE, list_handle=NO_HANDLE, bo_info_size=8),
    row("destroying nothing", _BO_LIST, 0, operation=_LIST_DESTROY, list_handle=NO_HANDLE),
    row("no entries, pointer unread", _BO_LIST, 0, operation=_LIST_CREATE, bo_info_size=8, bo_info_ptr=BAD),
    row(
        "strided entries unreadable",
        _BO_LIST,
        (EFAULT, EINVAL),
        operation=_LIST_CREATE,
        bo_number=1,
        bo_info_size=16,
        bo_info_ptr=BAD,
    ),
    row(
        "entries of size 0 are handle 0",
        _BO_LIST,
        (ENOENT, EINVAL),
        operation=_LIST_CREATE,
        bo_number=1,
        bo_info_ptr=BAD,
    ),
    row("flags before op", _VM, EINVAL, op=drm.AMDGPU_VM_OP_RESERVE_VMID, flags=1),
    row("unknown op", _VM, EINVAL, op=3),
    row("nothing to give back", _VM, 0, op=drm.AMDGPU_VM_OP_UNRESERVE_VMID),
)
