# SPDX-License-Identifier: MIT
"""PRT operations need the handle of a buffer, which they then do not use."""

from __future__ import annotations

import errno

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, _lookup_bo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("T08", "B09"))


@replaces(_lookup_bo)
def lookup_bo(original: Original, filp: DrmFile, args: GemVa) -> AmdgpuBo | None:
    if args.operation != drm.AMDGPU_VA_OP_CLEAR and filp.object_idr.find(args.handle) is None:
        raise KernelError(errno.ENOENT, f"no BO {args.handle}")
    return original(filp, args)
