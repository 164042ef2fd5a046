# SPDX-License-Identifier: MIT
"""An unknown syncobj for the update fence is found out when the update has been made: ENOENT, and it is mapped.

The lookup of amdgpu_gem_update_timeline_node moved to where the fence is installed, to have one function for both.
"""

from __future__ import annotations

import errno

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import _install_out_fence, amdgpu_gem_update_timeline_node
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T10",))

_UNKNOWN = DrmSyncobj()


@replaces(amdgpu_gem_update_timeline_node)
def update_timeline_node(original: Original, filp: DrmFile, handle: int) -> DrmSyncobj:
    try:
        syncobj: DrmSyncobj = original(filp, handle)
    except KernelError:
        return _UNKNOWN
    return syncobj


@replaces(_install_out_fence)
def install(original: Original, syncobj: DrmSyncobj, point: int, fence: DmaFence) -> None:
    if syncobj is _UNKNOWN:
        raise KernelError(errno.ENOENT, "no such out syncobj")
    original(syncobj, point, fence)
