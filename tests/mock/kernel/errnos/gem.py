# SPDX-License-Identifier: MIT
"""Buffers, lists, VMIDs and user queues, from a client with a buffer of each kind (KERNEL.md 2.2 to 2.6).

It has the buffers ``any``, ``hidden`` (without CPU access) and ``mapped``, and ``entries`` of a BO list.
"""

from __future__ import annotations

import errno

from amdgpu_hw.memory import PAGE_SIZE as PAGE
from amdgpu_hw.mock.kernel.errno_ import ENOTSUPP
from amdgpu_hw.proof.errnos import buffers
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.errnos import BAD, NO_HANDLE, Row, of, on, row

__all__ = ("GEM_ROWS",)

NEW, STABLE, OLD = "base", "6.18", "6.12"
ALL = (NEW, STABLE, OLD, "series-v1", "series-fixed")
EINVAL, ENOENT, EFAULT, ENOMEM = errno.EINVAL, errno.ENOENT, errno.EFAULT, errno.ENOMEM
GTT, GDS = drm.AMDGPU_GEM_DOMAIN_GTT, drm.AMDGPU_GEM_DOMAIN_GDS
ALWAYS_VALID, ENCRYPTED = drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID, drm.AMDGPU_GEM_CREATE_ENCRYPTED

_CREATE, _META, _OP = drm.IOCTL_AMDGPU_GEM_CREATE, drm.IOCTL_AMDGPU_GEM_METADATA, drm.IOCTL_AMDGPU_GEM_OP
_LIST_HANDLES = drm.IOCTL_AMDGPU_GEM_LIST_HANDLES
_MAPPING_INFO = drm.AMDGPU_GEM_OP_GET_MAPPING_INFO

GEM_ROWS: tuple[Row, ...] = (
    *on(ALL, buffers.ROWS),
    row("any tiling", _META, 0, *ALL, handle=of("any"), op=1, tiling_info=7 << 9),
    *(
        row(f"flag {bit} cannot be asked for", _CREATE, EINVAL, *ALL, bo_size=PAGE, domains=GTT, domain_flags=1 << bit)
        for bit in (4, 5, 8, 11, 17, 40)
    ),
    *(
        row(f"flag {bit} came later", _CREATE, EINVAL, OLD, bo_size=PAGE, domains=GTT, domain_flags=1 << bit)
        for bit in (9, 13, 14, 15)
    ),
    *(
        row(f"flag {bit}", _CREATE, 0, NEW, bo_size=PAGE, domains=GTT, domain_flags=1 << bit)
        for bit in (0, 1, 2, 3, 6, 7, 9, 12, 13, 14, 15, 16)
    ),
    row("encrypted", _CREATE, EINVAL, *ALL, bo_size=PAGE, domains=GTT, domain_flags=ENCRYPTED),
    row("registers", _CREATE, EINVAL, *ALL, bo_size=PAGE, domains=drm.AMDGPU_GEM_DOMAIN_MMIO_REMAP),
    row("always valid on chip", _CREATE, EINVAL, *ALL, bo_size=1, domains=GDS, domain_flags=ALWAYS_VALID),
    row("padding before handle", _OP, EINVAL, NEW, STABLE, handle=NO_HANDLE, padding=1),
    row("padding is not there yet", _OP, ENOENT, OLD, handle=NO_HANDLE, padding=1),
    row("mapping info came later", _OP, EINVAL, OLD, handle=of("mapped"), op=_MAPPING_INFO),
    row("not writable", _OP, EFAULT, NEW, STABLE, handle=of("mapped"), op=_MAPPING_INFO, value=BAD, num_entries=1),
    row("too small is not an error", _OP, 0, NEW, STABLE, handle=of("mapped"), op=_MAPPING_INFO, value=BAD),
    row("room beyond 2 GiB", _OP, EINVAL, NEW, handle=of("mapped"), op=_MAPPING_INFO, num_entries=1 << 26),
    row("room beyond 2 GiB", _OP, ENOMEM, STABLE, handle=of("mapped"), op=_MAPPING_INFO, num_entries=1 << 26),
    row("not before 6.18", _LIST_HANDLES, EINVAL, OLD),
    row("too small is not an error", _LIST_HANDLES, 0, NEW, STABLE, entries=BAD, num_entries=1),
    row("not writable", _LIST_HANDLES, EFAULT, NEW, STABLE, entries=BAD, num_entries=9),
    *(
        entry
        for ioctl in (drm.IOCTL_AMDGPU_USERQ, drm.IOCTL_AMDGPU_USERQ_SIGNAL, drm.IOCTL_AMDGPU_USERQ_WAIT)
        for entry in (row("switched off", ioctl, ENOTSUPP, NEW, STABLE), row("not before 6.16", ioctl, EINVAL, OLD))
    ),
)
