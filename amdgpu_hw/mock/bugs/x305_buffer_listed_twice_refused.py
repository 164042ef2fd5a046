# SPDX-License-Identifier: MIT
"""A list with a buffer in it twice is refused: the second lock of it is an error."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList, amdgpu_bo_list_create
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O71",))


@replaces(amdgpu_bo_list_create)
def list_create(original: Original, filp: DrmFile, caller: Caller, info: Iterable[tuple[int, int]]) -> AmdgpuBoList:
    entries = list(info)
    if len({handle for handle, _ in entries}) < len(entries):
        raise KernelError(errno.EALREADY, "a BO is locked already")
    right: AmdgpuBoList = original(filp, caller, entries)
    return right
