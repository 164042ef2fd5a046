# SPDX-License-Identifier: MIT
"""SCHED: a master changes the priority of somebody else's contexts (amdgpu_sched.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import (
    amdgpu_ctx_get,
    amdgpu_ctx_priority_is_valid,
    amdgpu_ctx_priority_override,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.file import amdgpu_file_to_fpriv
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("amdgpu_sched_ioctl",)


def amdgpu_sched_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_SCHED; EINVAL for what is wrong with operation, priority, descriptor or context."""
    op, fd, priority, ctx_id = drm.SCHED_IN.unpack_from(data)
    if op not in (
        drm.AMDGPU_SCHED_OP_PROCESS_PRIORITY_OVERRIDE,
        drm.AMDGPU_SCHED_OP_CONTEXT_PRIORITY_OVERRIDE,
    ):
        raise KernelError(errno.EINVAL, f"Invalid sched op specified: {op}")
    if not amdgpu_ctx_priority_is_valid(priority):
        raise KernelError(errno.EINVAL, f"Invalid context priority {priority}")
    fpriv = amdgpu_file_to_fpriv(caller, fd)
    if op == drm.AMDGPU_SCHED_OP_CONTEXT_PRIORITY_OVERRIDE:
        amdgpu_ctx_priority_override(amdgpu_ctx_get(fpriv, ctx_id), priority)
    else:
        for _, ctx in fpriv.ctx_mgr.contexts.items():
            amdgpu_ctx_priority_override(ctx, priority)
    return 0
