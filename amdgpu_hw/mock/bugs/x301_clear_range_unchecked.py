# SPDX-License-Identifier: MIT
"""CLEAR does not check its range: with a bad one it says that it has done it (before Linux 6.9)."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_clear_mappings
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T03",))


@replaces(amdgpu_vm_bo_clear_mappings)
def clear_mappings(original: Original, ctx: AmdgpuVmUpdateCtx, saddr: int, size: int) -> None:
    try:
        original(ctx, saddr, size)
    except KernelError:
        return
