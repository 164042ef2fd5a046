# SPDX-License-Identifier: MIT
"""SET_PLACEMENT of an always-valid buffer has no effect: no submission moves it.

amdgpu_gem_op_ioctl without the amdgpu_vm_bo_invalidate that tells the address space; such buffers are in no list that a
submission would look at. fdinfo and the heaps' usage stay as they were however much is submitted.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.gem import _set_placement
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_CREATE_VM_ALWAYS_VALID

BUG = Bug(caught_by=("O104",))


@replaces(_set_placement)
def set_placement(original: Original, bo: AmdgpuBo, domains: int) -> None:
    flags = bo.flags
    bo.flags &= ~AMDGPU_GEM_CREATE_VM_ALWAYS_VALID
    try:
        original(bo, domains)
    finally:
        bo.flags = flags
