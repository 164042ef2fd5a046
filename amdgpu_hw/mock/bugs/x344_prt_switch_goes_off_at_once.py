# SPDX-License-Identifier: MIT
"""Before GFX9 the switch for PRT goes off with the last PRT mapping, not when that has gone from the page tables.

amdgpu_vm_free_mapping gets the fence of the job that zeroes the entries for a callback (amdgpu_vm_add_prt_cb); with the
fence of the update context, which is not there yet, the user is dropped at once. Jobs in flight fault.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.prt import amdgpu_vm_free_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O84",), gpu="polaris10")


@replaces(amdgpu_vm_free_mapping)
def free_mapping(original: Original, adev: AmdgpuDevice, mapping: AmdgpuBoVaMapping, fence: DmaFence | None) -> None:
    original(adev, mapping, None)
