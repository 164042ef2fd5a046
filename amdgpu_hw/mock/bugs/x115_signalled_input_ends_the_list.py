# SPDX-License-Identifier: MIT
"""An input fence that has signalled ends the list of them."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_add_input_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O21",))


_over: list[bool] = []


@replaces(amdgpu_gem_add_input_fence)
def add_input_fence(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa
) -> Blocking[None]:
    _over[:] = [False]
    try:
        yield from original(ctx, filp, caller, args)
    finally:
        _over.clear()


@replaces(AmdgpuSync.fence)
def keep(original: Original, self: AmdgpuSync, fence: DmaFence | None) -> None:
    if _over and fence is not None:
        _over[0] = _over[0] or fence.signaled
        if _over[0]:
            return
    original(self, fence)
