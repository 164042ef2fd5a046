# SPDX-License-Identifier: MIT
"""The offset of a mapping in its buffer is kept in 31 bits."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_replace_map
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O16",))


@replaces(amdgpu_vm_bo_replace_map)
def replace_map(
    original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, saddr: int, offset: int, size: int, flags: int
) -> None:
    original(ctx, bo_va, saddr, offset & (1 << 31) - 1, size, flags)
