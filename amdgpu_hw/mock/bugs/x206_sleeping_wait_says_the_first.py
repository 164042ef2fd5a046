# SPDX-License-Identifier: MIT
"""A wait for any of several syncobjs that had to sleep says that the first has signalled, whichever did."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.drm.drm_syncobj.wait import _NONE_SIGNALED, _Wait
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O55",))


@replaces(_Wait.run)
def run(original: Original, self: _Wait, deadline: int) -> Blocking[int]:
    index: int = yield from original(self, deadline)
    return index if index == _NONE_SIGNALED else 0
