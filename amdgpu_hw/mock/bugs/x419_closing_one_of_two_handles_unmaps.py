# SPDX-License-Identifier: MIT
"""GEM_CLOSE of one of two handles that a file has of a buffer takes its mappings away, though the other is still there.

amdgpu_gem_object_close with the update context of the series lost `--bo_va->ref_count == 0` around amdgpu_vm_bo_del.
Two handles come from two GEM_OPEN of one name; after closing one, jobs fault, and GEM_VA with the other says ENOENT.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.gem import _detach_locked
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_find
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B05",))


@replaces(_detach_locked)
def detach(original: Original, bo: AmdgpuBo, filp: DrmFile) -> None:
    bo_va = amdgpu_vm_bo_find(filp.driver_priv.vm, bo)
    if bo_va is not None:
        bo_va.ref_count = 1
    original(bo, filp)
