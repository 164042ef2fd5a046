# SPDX-License-Identifier: MIT
"""A submission waits for page-table updates of buffers that are not in its list."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_vm_handling
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O6",))


@replaces(amdgpu_cs_vm_handling)
def cs_vm_handling(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList, locked: Sequence[DmaResv]) -> None:
    original(p, bo_list, locked)
    for mapping in p.fpriv.vm.va.in_order():
        if mapping.bo_va is not None:
            p.sync.fence(mapping.bo_va.last_pt_update)
