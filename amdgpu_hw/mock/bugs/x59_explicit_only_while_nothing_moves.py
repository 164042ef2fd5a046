# SPDX-License-Identifier: MIT
"""An explicit unmap waits for work in flight while anything of the address space is moved, evicted or invalidated."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, SyncMode
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, unmap_mode
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O14",))


@replaces(unmap_mode)
def wrong_unmap_mode(original: Original, ctx: AmdgpuVmUpdateCtx) -> SyncMode:
    vm = ctx.vm
    return AMDGPU_SYNC_EQ_OWNER if vm.moved or vm.evicted or vm.invalidated else original(ctx)
