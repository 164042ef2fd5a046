# SPDX-License-Identifier: MIT
"""The flag stays with the address space: after one explicit operation all are."""

from __future__ import annotations

from weakref import WeakSet

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, change_tree
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B14", "B15"))

_explicit: WeakSet[AmdgpuVm] = WeakSet()


@replaces(change_tree)
def operation(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, args: GemVa) -> None:
    if ctx.explicit_sync_unmap:
        _explicit.add(ctx.vm)
    ctx.explicit_sync_unmap = ctx.vm in _explicit
    original(ctx, bo_va, args)
