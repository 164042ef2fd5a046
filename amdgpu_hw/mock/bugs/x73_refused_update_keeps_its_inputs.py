# SPDX-License-Identifier: MIT
"""The input fences of an update that is refused are left to the next one."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, change_tree
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.mock.planting_parts import inputs_left_behind, leave_inputs_behind

BUG = Bug(caught_by=("O22",))


NEXT = inputs_left_behind()


@replaces(change_tree)
def wrong_change_tree(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, args: GemVa) -> None:
    try:
        original(ctx, bo_va, args)
    except KernelError:
        leave_inputs_behind(ctx)
        raise
