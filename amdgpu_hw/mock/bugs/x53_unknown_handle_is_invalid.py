# SPDX-License-Identifier: MIT
"""An unknown buffer handle is EINVAL where user space expects ENOENT."""

from __future__ import annotations

import errno

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.gem import gem_object_lookup
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T14",))


@replaces(gem_object_lookup)
def object_lookup(original: Original, filp: DrmFile, handle: int) -> AmdgpuBo:
    try:
        bo: AmdgpuBo = original(filp, handle)
    except KernelError as error:
        raise KernelError(errno.EINVAL, str(error)) from None
    return bo
