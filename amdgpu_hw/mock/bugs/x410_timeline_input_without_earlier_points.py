# SPDX-License-Identifier: MIT
"""Of a timeline among the input fences its last point's own fence is waited for, not the points before it.

amdgpu_gem_add_input_fence with dma_fence_chain_contained, so that no chains get into amdgpu_sync. Whoever signals point
2 from the CPU while the job of point 1 runs, and gives the timeline as input, finds the update made at once.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_add_input_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import dma_fence_chain_contained
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O21",))


@replaces(amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    yield from original(ctx, filp, caller, args)
    found, ctx.sync = ctx.sync, AmdgpuSync()
    for fence in found:
        ctx.sync.fence(dma_fence_chain_contained(fence))
