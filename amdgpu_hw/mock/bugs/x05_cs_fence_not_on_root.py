# SPDX-License-Identifier: MIT
"""A submission's fence goes to the listed buffers only, not to the root directory: unmaps do not see it."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_submit
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B05", "B07c", "B08c", "B09c"))


@replaces(amdgpu_cs_submit)
def submit(original: Original, p: AmdgpuCsParser, locked: Sequence[DmaResv]) -> int:
    return original(p, [resv for resv in locked if resv is not p.fpriv.vm.root_resv])
