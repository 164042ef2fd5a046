# SPDX-License-Identifier: MIT
"""Page-table jobs do not wait for what moves or clears memory of the address space."""

from __future__ import annotations

from amdgpu_hw.mock.kernel import amdgpu_job, amdgpu_vm_update
from amdgpu_hw.mock.kernel.amdgpu_job import AmdgpuJob
from amdgpu_hw.mock.kernel.amdgpu_sync import AMDGPU_FENCE_OWNER_VM, AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu_vm_types import AmdgpuVm
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O8",))


@replaces(amdgpu_vm_update.amdgpu_vm_sdma_prepare)
def sdma_prepare(original: Original, vm: AmdgpuVm, sync: AmdgpuSync | None) -> AmdgpuJob:
    job = amdgpu_job.amdgpu_job_alloc(vm.adev, None, vm.delayed, AMDGPU_FENCE_OWNER_VM, 1)
    if sync is not None:
        sync.push_to_job(job)
    return job
