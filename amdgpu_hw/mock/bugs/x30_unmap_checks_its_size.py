# SPDX-License-Identifier: MIT
"""UNMAP checks a size that it does not need."""

from __future__ import annotations

import errno

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, change_tree
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("T02",))


@replaces(change_tree)
def operation(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, args: GemVa) -> None:
    if args.operation == drm.AMDGPU_VA_OP_UNMAP and (not args.map_size or args.map_size % drm.AMDGPU_GPU_PAGE_SIZE):
        raise KernelError(errno.EINVAL, f"size {args.map_size:#x}")
    original(ctx, bo_va, args)
