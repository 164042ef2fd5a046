# SPDX-License-Identifier: MIT
"""MAP over a mapping is accepted, and takes its place."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.mapping import amdgpu_vm_bo_clear_mappings, amdgpu_vm_bo_map
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T01",))


@replaces(amdgpu_vm_bo_map)
def bo_map(
    original: Original, adev: AmdgpuDevice, bo_va: AmdgpuBoVa, saddr: int, offset: int, size: int, flags: int
) -> None:
    ctx = AmdgpuVmUpdateCtx(adev, bo_va.vm)
    amdgpu_vm_bo_clear_mappings(ctx, saddr, size)
    bo_va.vm.delayed_freed += ctx.freed
    original(adev, bo_va, saddr, offset, size, flags)
