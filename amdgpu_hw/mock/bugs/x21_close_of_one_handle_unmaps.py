# SPDX-License-Identifier: MIT
"""Closing one of two handles of a buffer takes its mappings away."""

from __future__ import annotations

from amdgpu_hw.mock.kernel import amdgpu_gem
from amdgpu_hw.mock.kernel.amdgpu_vm import amdgpu_vm_bo_find
from amdgpu_hw.mock.kernel.drm_file import DrmFile
from amdgpu_hw.mock.kernel.drm_gem import DrmGemObject
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T13",))


@replaces(amdgpu_gem.amdgpu_gem_object_open)
def object_open(original: Original, obj: DrmGemObject, filp: DrmFile) -> None:
    original(obj, filp)
    bo_va = amdgpu_vm_bo_find(filp.driver_priv.vm, obj)  # type: ignore[arg-type]  # amdgpu's objects are AmdgpuBo
    if bo_va is not None:
        bo_va.ref_count = 1
