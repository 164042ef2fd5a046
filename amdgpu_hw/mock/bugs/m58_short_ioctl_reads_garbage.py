# SPDX-License-Identifier: MIT
"""What an old, shorter GEM_VA does not bring is garbage instead of zero."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.drm import drm_ioctl
from amdgpu_hw.mock.kernel.drm.drm_ioctl import DrmIoctlDesc, IoctlPlan
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("T11",))


@replaces(drm_ioctl.IoctlPlan.__init__)
def plan(original: Original, self: IoctlPlan, desc: DrmIoctlDesc, request: int) -> None:
    original(self, desc, request)
    if desc.ioctl is drm.IOCTL_AMDGPU_GEM_VA:
        self.padding = b"\xa5" * len(self.padding)
