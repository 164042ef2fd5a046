# SPDX-License-Identifier: MIT
"""A submission does not look at buffers made with EXPLICIT_SYNC at all, also not for fences of other drivers.

amdgpu_cs_sync_rings asks for them with AMDGPU_SYNC_EXPLICIT, which still waits for moves and for what is not amdgpu's;
skipping them in the loop looks like the same.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_sync_rings
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_CREATE_EXPLICIT_SYNC

BUG = Bug(caught_by=("O89",))


@replaces(amdgpu_cs_sync_rings)
def sync_rings(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList) -> None:
    implicit = AmdgpuBoList([bo for bo in bo_list.bos if not bo.flags & AMDGPU_GEM_CREATE_EXPLICIT_SYNC])
    original(p, implicit)
    implicit.put()
