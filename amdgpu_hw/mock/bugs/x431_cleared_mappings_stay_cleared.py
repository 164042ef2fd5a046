# SPDX-License-Identifier: MIT
"""Mappings that a submission has zeroed because it could not lock their buffer are not written again.

amdgpu_vm_bo_update without `bo_va->cleared != clear`: a buffer that has not moved again has nothing on its invalids. A
shared buffer that moves while another process sleeps with its lock is missed by every later job that lists it.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O13",))


@replaces(amdgpu_vm_bo_update)
def bo_update(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> None:
    if not clear:
        bo_va.cleared = False
    original(ctx, bo_va, clear)
