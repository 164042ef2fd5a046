# SPDX-License-Identifier: MIT
"""User queues, switched off: every ioctl of theirs says so (amdgpu_userq.c, amdgpu_userq_fence.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.errno_ import ENOTSUPP, KernelError

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("amdgpu_userq_ioctl",)


def amdgpu_userq_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_USERQ, _SIGNAL and _WAIT on a device without user queues: ENOTSUPP (amdgpu_userq_enabled)."""
    raise KernelError(ENOTSUPP, "Usermode queues are not supported on this device")
