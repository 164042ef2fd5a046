# SPDX-License-Identifier: MIT
"""BO lists: which buffers a submission uses (amdgpu_bo_list.c)."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_hmm import check_user_pages_owner
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.drm.drm_gem import drm_gem_object_lookup
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.fault_injection import AllocSite
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller
    from amdgpu_hw.mock.variants import Variant

__all__ = (
    "AmdgpuBoList",
    "amdgpu_bo_create_list_entry_array",
    "amdgpu_bo_list_create",
    "amdgpu_bo_list_get",
    "amdgpu_bo_list_ioctl",
)

_MAX_PRIORITY = 32
_MAX_ENTRIES = 1 << 20
"""Where the kernel has no limit of its own, longer lists are ENOMEM; it has what kvmalloc gives, some 40 million."""


_OPERATIONS_WITH_LIST = (drm.AMDGPU_BO_LIST_OP_CREATE, drm.AMDGPU_BO_LIST_OP_UPDATE)


class AmdgpuBoList:
    """`struct amdgpu_bo_list`: holds a reference on each BO until `put` by its last user.

    ``bos`` are in the order in which they are moved to where they are wanted; ``userptrs``, the last of them, are made
    of the client's pages.
    """

    __slots__ = ("bos", "refcount", "userptrs")

    def __init__(self, bos: list[AmdgpuBo], userptrs: list[AmdgpuBo] | None = None) -> None:
        for bo in bos:
            bo.get()
        self.bos = bos
        self.userptrs = userptrs or []
        self.refcount = 1

    def put(self) -> None:
        """Drop a reference; the last one releases the BOs."""
        self.refcount -= 1
        if self.refcount == 0:
            for bo in self.bos:
                bo.put()
            self.bos = []


def amdgpu_bo_list_create(filp: DrmFile, caller: Caller, info: Iterable[tuple[int, int]]) -> AmdgpuBoList:
    """Look up the BOs of an array of (handle, priority); ENOENT for an unknown handle, EPERM for foreign user pages.

    BOs of low priority come first, and user pages last.

    Leaves out: the BOs of GDS, GWS and OA as resources of the jobs, and the tracepoints.
    """
    filp.dev.kernel.faults.alloc(AllocSite.BO_LIST)
    bos: list[AmdgpuBo] = []
    userptrs: list[AmdgpuBo] = []
    priorities: list[int] = []
    for handle, priority in info:
        bo = drm_gem_object_lookup(filp, handle)
        if not isinstance(bo, AmdgpuBo):
            raise KernelError(errno.ENOENT, f"no BO {handle}")
        if bo.user_pages is not None:
            check_user_pages_owner(bo, caller.pid)
            userptrs.append(bo)
        else:
            bos.append(bo)
            priorities.append(priority)
    if priorities and min(priorities) != max(priorities):
        order = sorted(range(len(bos)), key=lambda index: min(priorities[index], _MAX_PRIORITY))
        bos = [bos[index] for index in order]
    return AmdgpuBoList(bos + userptrs, userptrs)


def amdgpu_bo_create_list_entry_array(
    caller: Caller, variant: Variant, number: int, size: int, address: int
) -> list[tuple[int, int]]:
    """Copy ``number`` records of ``size`` bytes from user space; short ones are filled up with zeros.

    EINVAL for too many of them and, in 7.3, for another size than the kernel's.
    """
    if variant.bo_list_limit and number > variant.bo_list_limit:
        raise KernelError(errno.EINVAL, f"{number} BO list entries")
    if variant.checks_bo_list_first and size != drm.BO_LIST_ENTRY.size:
        raise KernelError(errno.EINVAL, f"BO list entries of {size} bytes")
    if number > _MAX_ENTRIES:
        raise KernelError(errno.ENOMEM, f"{number} BO list entries")
    if number == 0:
        return []
    wanted = drm.BO_LIST_ENTRY.size
    if size == wanted:
        records = caller.copy_from_user(address, number * size)
    else:
        part = min(size, wanted)
        # Records of another size come from user space built with another header.
        pieces = (caller.copy_from_user(address + i * size, part) if part else b"" for i in range(number))
        records = b"".join(piece.ljust(wanted, b"\0") for piece in pieces)
    return list(struct.iter_unpack("<II", records))


def amdgpu_bo_list_get(fpriv: AmdgpuFpriv, handle: int) -> AmdgpuBoList:
    """Return a reference to a list of a file; ENOENT for an unknown handle."""
    bo_list = fpriv.bo_list_handles.find(handle)
    if bo_list is None:
        raise KernelError(errno.ENOENT, f"no BO list {handle}")
    bo_list.refcount += 1
    return bo_list


def amdgpu_bo_list_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_BO_LIST; up to 7.2 the array is copied before the operation is looked at."""
    fpriv: AmdgpuFpriv = filp.driver_priv
    operation, handle, number, size, address = drm.BO_LIST_IN.unpack_from(data)
    variant = fpriv.adev.variant
    if not variant.checks_bo_list_first or operation in _OPERATIONS_WITH_LIST:
        info = amdgpu_bo_create_list_entry_array(caller, variant, number, size, address)
    else:
        info = []
    handles = fpriv.bo_list_handles
    if operation == drm.AMDGPU_BO_LIST_OP_CREATE:
        handle = handles.alloc(amdgpu_bo_list_create(filp, caller, info))
    elif operation == drm.AMDGPU_BO_LIST_OP_DESTROY:
        destroyed = handles.remove(handle)
        if destroyed is not None:
            destroyed.put()
        handle = 0
    elif operation == drm.AMDGPU_BO_LIST_OP_UPDATE:
        new = amdgpu_bo_list_create(filp, caller, info)
        old = handles.find(handle)
        if old is None:
            new.put()
            raise KernelError(errno.ENOENT, f"no BO list {handle}")
        handles.replace(handle, new)
        old.put()
    else:
        raise KernelError(errno.EINVAL, f"operation {operation}")
    data[: drm.BO_LIST_IN.size] = bytes(drm.BO_LIST_IN.size)
    drm.BO_LIST_OUT.pack_into(data, 0, handle, 0)
    return 0
