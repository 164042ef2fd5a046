# SPDX-License-Identifier: MIT
"""GEM_CLOSE of a buffer that somebody else has locked leaves its mappings in the address space.

Where amdgpu_gem_object_close could not lock buffer and directory it leaked the attachment and said so in the log;
mended between 6.1 and 6.12, when drm_exec came, whose locks nothing but a signal can end.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.gem import _detach_sleeping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O60",))


@replaces(_detach_sleeping)
def detach_sleeping(original: Original, bo: AmdgpuBo, filp: DrmFile, needs_jobs: bool) -> Blocking[None]:
    if bo.resv.locked and bo.resv is not filp.driver_priv.vm.root_resv:
        bo.adev.err("leaking bo va")
        return
    yield from original(bo, filp, needs_jobs)
