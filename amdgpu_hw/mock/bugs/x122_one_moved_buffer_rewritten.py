# SPDX-License-Identifier: MIT
"""Of always-valid buffers with new mappings a submission writes those of one."""

from __future__ import annotations

from collections.abc import Collection

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_handle_moved
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O38",))


@replaces(amdgpu_vm_handle_moved)
def handle_moved(original: Original, ctx: AmdgpuVmUpdateCtx, held: Collection[DmaResv]) -> None:
    vm = ctx.vm
    later = list(vm.moved)[:-1]
    for bo_va in later:
        del vm.moved[bo_va]
    original(ctx, held)
