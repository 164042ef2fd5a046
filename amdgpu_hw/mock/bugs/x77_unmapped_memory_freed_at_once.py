# SPDX-License-Identifier: MIT
"""The memory of a buffer that has no mapping any more is free as soon as it is closed, whatever jobs are in flight."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_del
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import ttm_bo_release
from amdgpu_hw.mock.kernel.ttm.types import TtmBufferObject
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O26",))


_unmapped: set[int] = set()


@replaces(amdgpu_vm_bo_del)
def bo_del(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa) -> None:
    if not bo_va.valids and not bo_va.invalids:
        _unmapped.add(id(bo_va.bo))
    original(ctx, bo_va)


@replaces(ttm_bo_release)
def release(original: Original, bo: TtmBufferObject, pending: list[DmaFence]) -> None:
    original(bo, [] if id(bo) in _unmapped else pending)
    _unmapped.discard(id(bo))
