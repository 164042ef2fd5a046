# SPDX-License-Identifier: MIT
"""The last page of a buffer of user pages gets no entry."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O16",))


@replaces(amdgpu_vm_bo_update)
def bo_update(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> None:
    bo: AmdgpuBo | None = bo_va.bo
    user = bo is not None and bo.user_pages is not None
    cut = [one for one in bo_va.invalids if user and one.last > one.start]
    for mapping in cut:
        mapping.last -= 1
    original(ctx, bo_va, clear)
    for mapping in cut:
        mapping.last += 1
