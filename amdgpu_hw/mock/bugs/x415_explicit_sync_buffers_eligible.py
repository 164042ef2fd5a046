# SPDX-License-Identifier: MIT
"""Buffers made with AMDGPU_GEM_CREATE_EXPLICIT_SYNC count as memory that an explicit unmap may take away under the GPU.

Two flags of one name: that of the buffer says who waits for other clients' jobs, that of GEM_VA who waits for the
unmap. An explicit UNMAP of such an ordinary buffer does not wait for the job that uses it, which faults.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import unmap_may_be_explicit
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_CREATE_EXPLICIT_SYNC

BUG = Bug(caught_by=("O14",))


@replaces(unmap_may_be_explicit)
def may_be_explicit(original: Original, vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    if bo is not None and bo.flags & AMDGPU_GEM_CREATE_EXPLICIT_SYNC:
        return True
    return bool(original(vm, bo, mapping))
