# SPDX-License-Identifier: MIT
"""A submission's fence goes to the root directory and to the last of its buffers: the loop is over the wrong variable.

amdgpu_cs_submit goes through all objects that drm_exec has locked, once for the members of a gang and for its leader.
"""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_submit
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O105",))


@replaces(amdgpu_cs_submit)
def submit(original: Original, p: AmdgpuCsParser, locked: Sequence[DmaResv]) -> int:
    root = p.fpriv.vm.root_resv
    return original(p, [root, *[resv for resv in locked if resv is not root][-1:]])
