# SPDX-License-Identifier: MIT
"""A submission does not wait for page-table updates of the buffers in its list."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel import amdgpu_cs
from amdgpu_hw.mock.kernel.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu_cs_parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O6",))


@replaces(amdgpu_cs.amdgpu_cs_vm_handling)
def cs_vm_handling(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList, locked: Sequence[DmaResv]) -> None:
    vm = p.fpriv.vm
    p_sync, p.sync = p.sync, AmdgpuSync()
    original(p, bo_list, locked)
    ignored = [bo_va.last_pt_update for bo in bo_list.bos if (bo_va := bo.vm_bo.get(vm)) is not None]
    for fence in p.sync:
        if fence not in ignored or fence is vm.last_update:
            p_sync.fence(fence)
    p.sync = p_sync
