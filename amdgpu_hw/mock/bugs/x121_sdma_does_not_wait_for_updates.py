# SPDX-License-Identifier: MIT
"""A submission to SDMA does not wait for updates: page tables are written on that ring, it is thought."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_vm_handling
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.mock.planting_parts import cs_vm_handling_ignoring

BUG = Bug(caught_by=("O37",))


@replaces(amdgpu_cs_vm_handling)
def vm_handling(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList, locked: Sequence[DmaResv]) -> None:
    on_sdma = "sdma" in p.gang_leader.sched.name
    cs_vm_handling_ignoring(original, p, bo_list, locked, lambda _: on_sdma)
