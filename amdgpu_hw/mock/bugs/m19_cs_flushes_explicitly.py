# SPDX-License-Identifier: MIT
"""A submission carries out delayed unmaps without waiting for earlier submissions."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_vm_handling
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_clear_freed
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B35",))


@replaces(amdgpu_cs_vm_handling)
def cs_vm_handling(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList, locked: Sequence[DmaResv]) -> None:
    vm = p.fpriv.vm
    ctx = AmdgpuVmUpdateCtx(p.adev, vm)
    ctx.explicit_sync_unmap = True
    ctx.freed, vm.delayed_freed = vm.delayed_freed, []
    amdgpu_vm_clear_freed(ctx)
    original(p, bo_list, locked)
