# SPDX-License-Identifier: MIT
"""The input fences of an update that is refused are left to the next one."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_va_update_vm, change_tree
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O22",))


_kept: WeakKeyDictionary[AmdgpuVm, AmdgpuSync] = WeakKeyDictionary()


@replaces(change_tree)
def wrong_change_tree(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, args: GemVa) -> None:
    try:
        original(ctx, bo_va, args)
    except KernelError:
        ctx.sync.clone(_kept.setdefault(ctx.vm, AmdgpuSync()))
        raise


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    _kept.pop(ctx.vm, AmdgpuSync()).clone(ctx.sync)
    return original(ctx, bo_va, operation)
