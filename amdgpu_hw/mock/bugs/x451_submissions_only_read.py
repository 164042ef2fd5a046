# SPDX-License-Identifier: MIT
"""The fence of a submission is a reader's on its buffers, as if it were that of a gang's member.

Everybody except for the gang leader uses DMA_RESV_USAGE_READ (amdgpu_cs_submit). Who wants to read a buffer, a display
or an encoder with implicit synchronisation, then does not wait for the job that writes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_submit
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ, DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O105",))


@replaces(amdgpu_cs_submit)
def submit(original: Original, p: AmdgpuCsParser, locked: Sequence[DmaResv]) -> int:
    root = p.fpriv.vm.root_resv
    sequence: int = original(p, [root])
    for resv in locked:
        if resv is not root:
            resv.add_fence(p.gang_leader.s_fence, DMA_RESV_USAGE_READ)
    return sequence
