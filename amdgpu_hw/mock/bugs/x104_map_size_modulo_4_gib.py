# SPDX-License-Identifier: MIT
"""The size of a MAP is taken modulo 4 GiB."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_map
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O16",))


@replaces(amdgpu_vm_bo_map)
def bo_map(
    original: Original, adev: AmdgpuDevice, bo_va: AmdgpuBoVa, saddr: int, offset: int, size: int, flags: int
) -> None:
    original(adev, bo_va, saddr, offset, size & (1 << 32) - 1 or size, flags)
