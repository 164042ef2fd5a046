# SPDX-License-Identifier: MIT
"""CLEAR and REPLACE take away what is mapped in the size modulo 4 GiB."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_clear_mappings
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O16",))


@replaces(amdgpu_vm_bo_clear_mappings)
def clear_mappings(original: Original, ctx: AmdgpuVmUpdateCtx, saddr: int, size: int) -> None:
    original(ctx, saddr, size & (1 << 32) - 1 or size)
