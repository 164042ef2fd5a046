# SPDX-License-Identifier: MIT
"""An offset in the buffer that is no multiple of a page is rounded down, not refused."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_verify_parameters
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SIZE
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T03",))


@replaces(amdgpu_vm_verify_parameters)
def verify_parameters(
    original: Original, adev: AmdgpuDevice, bo: AmdgpuBo | None, saddr: int, offset: int, size: int
) -> None:
    original(adev, bo, saddr, offset // AMDGPU_GPU_PAGE_SIZE * AMDGPU_GPU_PAGE_SIZE, size)
