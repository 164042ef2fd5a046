# SPDX-License-Identifier: MIT
"""The end of a mapping in its buffer is compared after it has wrapped around."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_verify_parameters
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T03",))


_U64_MAX = (1 << 64) - 1


@replaces(amdgpu_vm_verify_parameters)
def verify(original: Original, adev: AmdgpuDevice, bo: AmdgpuBo | None, saddr: int, offset: int, size: int) -> None:
    wraps = offset + size > _U64_MAX
    original(adev, bo, saddr, 0 if wraps else offset, size)
