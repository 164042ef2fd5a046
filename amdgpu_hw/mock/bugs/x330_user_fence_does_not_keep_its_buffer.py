# SPDX-License-Identifier: MIT
"""The buffer of a user fence does not get the job's fence: it counts as idle while the GPU has yet to write there.

The user fence became a buffer of its own kind in amdgpu_cs_parser when drm_exec replaced the list of what to validate,
between 6.1 and 6.12; it has to be locked and fenced like those of the list.
"""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import lock_submission
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O81",))


@replaces(lock_submission)
def lock(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList) -> Blocking[Sequence[DmaResv]]:
    uf_bo, p.uf_bo = p.uf_bo, None
    try:
        return (yield from original(p, bo_list))
    finally:
        p.uf_bo = uf_bo
