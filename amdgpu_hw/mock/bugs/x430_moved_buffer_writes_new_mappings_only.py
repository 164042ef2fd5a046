# SPDX-License-Identifier: MIT
"""Of a buffer that has moved and has got another mapping meanwhile only the new mapping is written.

amdgpu_vm_bo_update: `list_splice_init(&bo_va->valids, &bo_va->invalids)` where there are no invalids yet. After a move,
and a MAP before the next submission, jobs find the old place of the buffer at its older address, or fault there.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_update
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O57",))


@replaces(amdgpu_vm_bo_update)
def bo_update(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> None:
    older: dict[AmdgpuBoVaMapping, None] = {}
    if bo_va.moved and not clear and bo_va.invalids:
        older, bo_va.valids = bo_va.valids, {}
    try:
        original(ctx, bo_va, clear)
    finally:
        bo_va.valids = older | bo_va.valids
