# SPDX-License-Identifier: MIT
"""REPLACE may map what is behind the end of a buffer."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_replace_map
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T03",))


@replaces(amdgpu_vm_bo_replace_map)
def replace_map(
    original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, saddr: int, offset: int, size: int, flags: int
) -> None:
    bo = bo_va.bo
    beyond = bo is not None and offset < bo.size < offset + size
    if not beyond:
        original(ctx, bo_va, saddr, offset, size, flags)
        return
    original(ctx, bo_va, saddr, 0, size if bo is not None and size <= bo.size else 4096, flags)
