# SPDX-License-Identifier: MIT
"""MAP looks for what is in the way from its first page on: what begins before it is not seen."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import check_conflict
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T01",))


@replaces(check_conflict)
def conflict(original: Original, adev: AmdgpuDevice, vm: AmdgpuVm, first: int, last: int) -> None:
    found = vm.va.iter_first(first, last)
    if found is None or found.start >= first:
        original(adev, vm, first, last)
        return
    # The tree keeps mappings apart: what is in the way gives the pages up.
    vm.va.remove(found)
    found.last = first - 1
    vm.va.insert(found)
