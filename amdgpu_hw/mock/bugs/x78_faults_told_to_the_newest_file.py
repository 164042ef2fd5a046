# SPDX-License-Identifier: MIT
"""A VM fault is recorded in the address space that was opened last."""

from __future__ import annotations

from amdgpu_hw.gpu_model.translation import Translator
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O28",), slow=True)


@replaces(AmdgpuDevice.vm_of)
def vm_of(original: Original, self: AmdgpuDevice, page_table: Translator) -> AmdgpuVm | None:
    vm: AmdgpuVm | None = original(self, page_table)
    return max(self.vms.values(), key=lambda one: one.pasid) if vm is not None else None
