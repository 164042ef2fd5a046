# SPDX-License-Identifier: MIT
"""DELAY_UPDATE is ignored: the page tables are updated at once."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, change_tree
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("B35", "T12"))


@replaces(change_tree)
def operation(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, args: GemVa) -> None:
    original(ctx, bo_va, args)
    args.flags &= ~drm.AMDGPU_VM_DELAY_UPDATE
