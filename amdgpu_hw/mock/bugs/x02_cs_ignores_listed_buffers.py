# SPDX-License-Identifier: MIT
"""A submission does not wait for page-table updates of the buffers in its list."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_vm_handling
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.mock.planting_parts import cs_vm_handling_ignoring

BUG = Bug(caught_by=("O6",))


@replaces(amdgpu_cs_vm_handling)
def cs_vm_handling(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList, locked: Sequence[DmaResv]) -> None:
    vm = p.fpriv.vm

    def ignored(fence: DmaFence) -> bool:
        of_buffers = (bo_va.last_pt_update for bo in bo_list.bos if (bo_va := bo.vm_bo.get(vm)) is not None)
        return fence in of_buffers and fence is not vm.last_update

    cs_vm_handling_ignoring(original, p, bo_list, locked, ignored)
