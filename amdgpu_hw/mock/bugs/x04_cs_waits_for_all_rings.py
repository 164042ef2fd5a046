# SPDX-License-Identifier: MIT
"""A submission waits for every earlier one of its address space, on whatever ring."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_sync_rings
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B20",), slow=True)


@replaces(amdgpu_cs_sync_rings)
def sync_rings(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList) -> None:
    for fence in p.fpriv.vm.root_resv.iter(DMA_RESV_USAGE_READ):
        p.sync.fence(fence)
    original(p, bo_list)
