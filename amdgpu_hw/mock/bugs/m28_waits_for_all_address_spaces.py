# SPDX-License-Identifier: MIT
"""An implicit unmap waits for the submissions of every address space of the device."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import (
    AmdgpuVmUpdateCtx,
    amdgpu_vm_update_ctx_ensure_unmap_synced,
    unmap_mode,
)
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B18",))


@replaces(amdgpu_vm_update_ctx_ensure_unmap_synced)
def ensure_unmap_synced(original: Original, ctx: AmdgpuVmUpdateCtx, sync: AmdgpuSync) -> None:
    original(ctx, sync)
    if unmap_mode(ctx) is AMDGPU_SYNC_EQ_OWNER:
        for filp in ctx.adev.ddev.filelist:
            for fence in filp.driver_priv.vm.root_resv.iter(DMA_RESV_USAGE_READ):
                sync.fence(fence)
