# SPDX-License-Identifier: MIT
"""Submissions do not wait until the directories point to new page tables, only until these are written."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_update_pdes
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(
    caught_by=(),
    equivalent="the directories' job is the next one on the entity and ring that wrote the entries, done before a "
    "submission can read; only a GPU whose rings race shows it, now and then",
)


@replaces(amdgpu_vm_update_pdes)
def update_pdes(original: Original, vm: AmdgpuVm) -> None:
    before = vm.last_update
    original(vm)
    vm.last_update = before
