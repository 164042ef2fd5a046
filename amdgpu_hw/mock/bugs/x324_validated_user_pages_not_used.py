# SPDX-License-Identifier: MIT
"""A buffer of user pages that was made with VALIDATE has no pages until a submission lists it: the GPU reads zeros.

amdgpu_gem_userptr_ioctl collected the pages and did not set them (amdgpu_ttm_tt_set_user_pages): between 6.12 and 7.3.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_hmm import UserPages
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_USERPTR_VALIDATE

BUG = Bug(caught_by=("O16",))


@replaces(UserPages.read)
def read(original: Original, self: UserPages, offset: int, size: int) -> bytes:
    data: bytes = bytes(size) if self.flags & AMDGPU_GEM_USERPTR_VALIDATE else original(self, offset, size)
    return data
