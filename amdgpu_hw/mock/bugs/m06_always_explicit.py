# SPDX-License-Identifier: MIT
"""Every unmap is explicit, with the flag or without, whatever it takes away."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EXPLICIT, SyncMode
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, unmap_mode
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B05", "B07c", "B08c", "B09c", "B10", "B12c"))


@replaces(unmap_mode)
def always_explicit(original: Original, ctx: AmdgpuVmUpdateCtx) -> SyncMode:
    return AMDGPU_SYNC_EXPLICIT
