# SPDX-License-Identifier: MIT
"""Unmaps in the lower half of the address space wait for nothing."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EXPLICIT, SyncMode
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, unmap_mode
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O14c",))

_UPPER_HALF = 1 << 47 - 12


@replaces(unmap_mode)
def wrong_unmap_mode(original: Original, ctx: AmdgpuVmUpdateCtx) -> SyncMode:
    low = all(mapping.last < _UPPER_HALF for mapping in ctx.freed)
    return AMDGPU_SYNC_EXPLICIT if low else original(ctx)
