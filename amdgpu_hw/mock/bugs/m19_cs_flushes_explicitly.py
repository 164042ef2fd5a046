# SPDX-License-Identifier: MIT
"""A submission carries out delayed unmaps without waiting for earlier submissions."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel import amdgpu_cs, amdgpu_vm
from amdgpu_hw.mock.kernel.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu_cs_parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.amdgpu_vm_update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B35",))


@replaces(amdgpu_cs.amdgpu_cs_vm_handling)
def cs_vm_handling(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList, locked: Sequence[DmaResv]) -> None:
    vm = p.fpriv.vm
    ctx = AmdgpuVmUpdateCtx(p.adev, vm)
    ctx.explicit_sync_unmap = True
    ctx.freed, vm.delayed_freed = vm.delayed_freed, []
    amdgpu_vm.amdgpu_vm_clear_freed(ctx)
    original(p, bo_list, locked)
