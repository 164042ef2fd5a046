# SPDX-License-Identifier: MIT
"""MAP with the flag is refused: there is nothing to unmap, so it seems."""

from __future__ import annotations

import errno

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, check_request
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("B02", "B17"))


@replaces(check_request)
def check(original: Original, adev: AmdgpuDevice, args: GemVa) -> None:
    original(adev, args)
    if args.operation == drm.AMDGPU_VA_OP_MAP and args.flags & drm.AMDGPU_VM_EXPLICIT_SYNC:
        raise KernelError(errno.EINVAL, "MAP with EXPLICIT_SYNC")
