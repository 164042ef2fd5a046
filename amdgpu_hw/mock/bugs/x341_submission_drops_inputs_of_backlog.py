# SPDX-License-Identifier: MIT
"""A submission that carries delayed unmaps out does not wait for their input fences; an update that does it waits.

amdgpu_cs_vm_handling clears what was freed with a context of its own, into which only amdgpu_gem_va_update_vm puts the
fences that delayed operations have left.
"""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_vm_handling
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B31",))


@replaces(amdgpu_cs_vm_handling)
def vm_handling(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList, locked: Sequence[DmaResv]) -> None:
    p.fpriv.vm.delayed_inputs = None
    original(p, bo_list, locked)
