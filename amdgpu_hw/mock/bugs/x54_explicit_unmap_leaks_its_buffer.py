# SPDX-License-Identifier: MIT
"""An explicit unmap takes a reference on the buffer that nobody gives back."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, amdgpu_vm_update_ctx_add_freed_mapping
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T16",), slow=True)


@replaces(amdgpu_vm_update_ctx_add_freed_mapping)
def add_freed_mapping(
    original: Original, ctx: AmdgpuVmUpdateCtx, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping
) -> None:
    if ctx.explicit_sync_unmap and bo is not None:
        bo.get()
    original(ctx, bo, mapping)
