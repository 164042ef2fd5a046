# SPDX-License-Identifier: MIT
"""What a cut leaves of an always-valid buffer's mapping is not on the list of what the next submission writes.

amdgpu_vm_bo_clear_mappings puts `before` and `after` on the buffer's invalids by hand, without the amdgpu_vm_bo_moved
of amdgpu_vm_bo_insert_map. After a delayed CLEAR of the middle of 2 MiB and more, a job that does not list the buffer
faults beside the hole.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import split_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B38",))


@replaces(split_mapping)
def split(original: Original, ctx: AmdgpuVmUpdateCtx, mapping: AmdgpuBoVaMapping, first: int, last: int) -> None:
    listed = dict(ctx.vm.moved)
    original(ctx, mapping, first, last)
    ctx.vm.moved = listed
