# SPDX-License-Identifier: MIT
"""A BO list that is refused for one of its handles keeps the buffers before that one.

Between 6.12 and 7.3 objects_lookup of drm_gem.c learned to give back what it had looked up before an unknown handle;
this is the same of amdgpu_bo_list_create.
"""

from __future__ import annotations

from collections.abc import Iterable

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList, amdgpu_bo_list_create
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.drm.drm_gem import drm_gem_object_lookup
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O72",))


@replaces(amdgpu_bo_list_create)
def list_create(original: Original, filp: DrmFile, caller: Caller, info: Iterable[tuple[int, int]]) -> AmdgpuBoList:
    entries = list(info)
    try:
        right: AmdgpuBoList = original(filp, caller, entries)
    except KernelError:
        for handle, _ in entries:
            bo = drm_gem_object_lookup(filp, handle)
            if bo is not None:
                bo.get()
        raise
    return right
