# SPDX-License-Identifier: MIT
"""The input fences of an update that a signal ends while it waits for a lock are left to the next one."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, amdgpu_gem_va_update_vm, operate_sleeping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O23",))


_kept: WeakKeyDictionary[AmdgpuVm, AmdgpuSync] = WeakKeyDictionary()


@replaces(operate_sleeping)
def wrong_operate_sleeping(
    original: Original, ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, bo: AmdgpuBo | None, args: GemVa
) -> Blocking[int]:
    try:
        return (yield from original(ctx, filp, caller, bo, args))
    except KernelError as error:
        if error.errno == ERESTARTSYS:
            ctx.sync.clone(_kept.setdefault(ctx.vm, AmdgpuSync()))
        raise


@replaces(amdgpu_gem_va_update_vm)
def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    _kept.pop(ctx.vm, AmdgpuSync()).clone(ctx.sync)
    return original(ctx, bo_va, operation)
