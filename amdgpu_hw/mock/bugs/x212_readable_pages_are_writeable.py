# SPDX-License-Identifier: MIT
"""The entry of every page that may be read lets the GPU write there as well."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import _pte_flags
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VM_PAGE_READABLE, AMDGPU_VM_PAGE_WRITEABLE

BUG = Bug(caught_by=("O58",))


@replaces(_pte_flags)
def pte_flags(original: Original, flags: int) -> int:
    entry: int = original(flags | AMDGPU_VM_PAGE_WRITEABLE if flags & AMDGPU_VM_PAGE_READABLE else flags)
    return entry
