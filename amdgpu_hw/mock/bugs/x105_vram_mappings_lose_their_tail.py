# SPDX-License-Identifier: MIT
"""Of a mapping of VRAM only the first GiB gets entries."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_update
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TTM_PL_VRAM
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O16",))


_MOST = 1 << 18


@replaces(amdgpu_vm_bo_update)
def bo_update(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> None:
    bo: AmdgpuBo | None = bo_va.bo
    in_vram = bo is not None and bo.resource.mem_type == TTM_PL_VRAM
    ends = {mapping: mapping.last for mapping in bo_va.invalids} if in_vram else {}
    for mapping in ends:
        mapping.last = min(mapping.last, mapping.start + _MOST - 1)
    original(ctx, bo_va, clear)
    for mapping, last in ends.items():
        mapping.last = last
