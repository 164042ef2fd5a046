# SPDX-License-Identifier: MIT
"""An update of an address space whose page tables are evicted leaves the syncobj of its update fence as it is.

amdgpu_gem_va_update_vm returns early when the VM is not ready: with no fence in place of a signalled one, and its
caller installs a fence only where there is one. Who waits for the point waits for ever.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import _install_out_fence, choose_out_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O29",))

_ready = {"last": True}


@replaces(choose_out_fence)
def out_fence(
    original: Original,
    ctx: AmdgpuVmUpdateCtx,
    bo_va: AmdgpuBoVa | None,
    operation: int,
    cleared: DmaFence | None,
    ready: bool,
    failed: bool,
) -> DmaFence:
    _ready["last"] = ready
    fence: DmaFence = original(ctx, bo_va, operation, cleared, ready, failed)
    return fence


@replaces(_install_out_fence)
def install(original: Original, syncobj: DrmSyncobj, point: int, fence: DmaFence) -> None:
    if _ready["last"]:
        original(syncobj, point, fence)
