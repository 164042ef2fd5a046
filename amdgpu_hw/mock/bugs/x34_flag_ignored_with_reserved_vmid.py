# SPDX-License-Identifier: MIT
"""With a reserved VMID the flag is ignored."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, change_tree
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import amdgpu_vmid_uses_reserved
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B49",))

_GFX_HUB = 0


@replaces(change_tree)
def operation(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, args: GemVa) -> None:
    ctx.explicit_sync_unmap &= not amdgpu_vmid_uses_reserved(ctx.adev, ctx.vm, _GFX_HUB)
    original(ctx, bo_va, args)
