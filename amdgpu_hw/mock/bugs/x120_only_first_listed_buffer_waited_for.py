# SPDX-License-Identifier: MIT
"""A submission waits for the mapping of the first buffer of its list only."""

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
    updates = [bo.vm_bo[p.fpriv.vm].last_pt_update for bo in bo_list.bos[1:] if p.fpriv.vm in bo.vm_bo]
    cs_vm_handling_ignoring(original, p, bo_list, locked, lambda fence: fence in updates)
