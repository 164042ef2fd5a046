# SPDX-License-Identifier: MIT
"""Where the CPU writes the page tables it does so at once, whatever is in flight."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu import amdgpu_vm_cpu
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B42c",), parameters={"vm_update_mode": 3})


@replaces(amdgpu_vm_cpu.amdgpu_vm_cpu_prepare)
def prepare(original: Original, sync: AmdgpuSync) -> None:
    """Nothing is waited for."""
