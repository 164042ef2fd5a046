# SPDX-License-Identifier: MIT
"""A submission that is refused has emptied the syncobjs that it was to signal.

Pass 2 resets the syncobjs when it collects them, so that nobody takes the old fence for the new one. But what comes
later can fail: locks, memory, a chunk behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser, _collect_post_deps
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_replace_fence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O53",))


@replaces(_collect_post_deps)
def collect(original: Original, p: AmdgpuCsParser, records: Iterable[tuple[int, int]]) -> None:
    original(p, records)
    for syncobj, point in p.post_deps or ():
        if not point:
            drm_syncobj_replace_fence(syncobj, None)
