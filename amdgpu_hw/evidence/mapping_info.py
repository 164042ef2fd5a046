# SPDX-License-Identifier: MIT
"""What the kernel says is mapped: GEM_OP GET_MAPPING_INFO (Linux 6.18)."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from amdgpu_hw.errors import DrmError, FeatureMissing
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer
from amdgpu_hw.uapi import amdgpu_drm as uapi

__all__ = ("StoredMapping", "stored_mappings")

_ROOM = 16


@dataclass(frozen=True, slots=True, order=True)
class StoredMapping:
    """One mapping in the kernel's tree: address, bytes, offset in the buffer, AMDGPU_VM_* flags as they are kept."""

    va: int
    size: int
    offset: int
    flags: int


def stored_mappings(gpu: Gpu, buffer: Buffer) -> list[StoredMapping]:
    """The mappings of a buffer in this address space, by address. Raises `FeatureMissing` on older kernels."""
    room = _ROOM
    while True:
        entries = bytearray(room * uapi.GEM_VM_ENTRY.size)
        try:
            reply = gpu.ioctl(
                uapi.IOCTL_AMDGPU_GEM_OP,
                handle=buffer.handle,
                op=uapi.AMDGPU_GEM_OP_GET_MAPPING_INFO,
                value=entries,
                num_entries=room,
            )
        except DrmError as error:
            if error.errno == errno.EINVAL:
                raise FeatureMissing("the kernel does not tell mappings (GET_MAPPING_INFO, Linux 6.18)") from None
            raise
        count: int = reply["num_entries"]
        if count <= room:
            break
        room = count
    found = (uapi.GEM_VM_ENTRY.unpack_from(entries, index * uapi.GEM_VM_ENTRY.size) for index in range(count))
    return sorted(StoredMapping(*entry) for entry in found)
