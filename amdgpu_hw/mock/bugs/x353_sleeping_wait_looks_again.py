# SPDX-License-Identifier: MIT
"""A wait for syncobjs that is woken looks them up again: it goes on with what has been put in meanwhile.

drm_syncobj_array_wait_timeout keeps the fence that it has found; its loop was merged with the lookup before it. Who
reuses a syncobj while another thread waits makes that one wait for the next fence as well.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.drm.drm_syncobj.wait import _Wait
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O55",))


@replaces(_Wait._fence_signaled)
def fence_signaled(original: Original, self: _Wait, _fence: DmaFence) -> None:
    for syncobj, entry in zip(self.syncobjs, self.entries, strict=True):
        found = syncobj.find_point(entry.point)
        if found is not entry.fence:
            entry.fence, entry.listening = found, False
            if found is None:
                syncobj.add_listener(entry)
    original(self, _fence)
