# SPDX-License-Identifier: MIT
"""What planted bugs share: ways to have a function of the kernel leave something out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias
from weakref import WeakKeyDictionary

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import amdgpu_gem_va_update_vm, choose_out_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Original, Replacement, replaces

__all__ = (
    "OutFence",
    "backlog_set_aside",
    "cs_vm_handling_ignoring",
    "inputs_left_behind",
    "leave_inputs_behind",
    "update_fence",
)

OutFence: TypeAlias = Callable[[DmaFence, AmdgpuVmUpdateCtx, AmdgpuBoVa | None, int, DmaFence | None], DmaFence]
"""Which update fence user space gets: instead of the right one, of an operation on an attachment, after a clear."""


def cs_vm_handling_ignoring(
    original: Original,
    p: AmdgpuCsParser,
    bo_list: AmdgpuBoList,
    locked: Sequence[DmaResv],
    ignored: Callable[[DmaFence], bool],
) -> None:
    """Do what ``original`` does, but have the submission not wait for the page-table updates that are ``ignored``."""
    before, p.sync = p.sync, AmdgpuSync()
    original(p, bo_list, locked)
    for fence in p.sync:
        if not ignored(fence):
            before.fence(fence)
    p.sync = before


@contextmanager
def backlog_set_aside(vm: AmdgpuVm) -> Iterator[None]:
    """A block inside which nothing is there that delayed operations have freed."""
    backlog, vm.delayed_freed = vm.delayed_freed, []
    try:
        yield
    finally:
        vm.delayed_freed = backlog


def update_fence(chosen: OutFence) -> Replacement:
    """Give user space another update fence than `choose_out_fence` does."""

    @replaces(choose_out_fence)
    def out_fence(
        original: Original,
        ctx: AmdgpuVmUpdateCtx,
        bo_va: AmdgpuBoVa | None,
        operation: int,
        cleared: DmaFence | None,
        ready: bool,
        failed: bool,
    ) -> DmaFence:
        return chosen(original(ctx, bo_va, operation, cleared, ready, failed), ctx, bo_va, operation, cleared)

    return out_fence


_left_behind: WeakKeyDictionary[AmdgpuVm, AmdgpuSync] = WeakKeyDictionary()


def leave_inputs_behind(ctx: AmdgpuVmUpdateCtx) -> None:
    """Leave the input fences of an operation in its address space, for whom `inputs_left_behind` finds next."""
    ctx.sync.clone(_left_behind.setdefault(ctx.vm, AmdgpuSync()))


def inputs_left_behind() -> Replacement:
    """Have each page-table update wait for the input fences that an operation before it has left behind."""

    @replaces(amdgpu_gem_va_update_vm)
    def update_vm(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
        _left_behind.pop(ctx.vm, AmdgpuSync()).clone(ctx.sync)
        fence: DmaFence = original(ctx, bo_va, operation)
        return fence

    return update_vm
