# SPDX-License-Identifier: MIT
"""Of a timeline among the input fences the oldest unfinished point is waited for, not the newest."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_add_input_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import DmaFenceChain
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B27",))


@replaces(amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    yield from original(ctx, filp, caller, args)
    found, ctx.sync = ctx.sync, AmdgpuSync()
    for fence in found:
        link = fence
        while isinstance(link, DmaFenceChain) and link.prev is not None and not link.prev.signaled:
            link = link.prev
        ctx.sync.fence(link)
