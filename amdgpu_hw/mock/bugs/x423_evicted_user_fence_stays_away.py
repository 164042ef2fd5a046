# SPDX-License-Identifier: MIT
"""A submission does not bring the buffer of its user fence back to where the GPU reaches it, unless it lists it.

amdgpu_cs_parser_bos locks it with the others since drm_exec came, and forgot amdgpu_cs_bo_validate for it. After GTT
has been emptied under it the job is done, and its sequence number is not in the buffer.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.bos import amdgpu_cs_parser_bos
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O95",))


@replaces(amdgpu_cs_parser_bos)
def parser_bos(original: Original, p: AmdgpuCsParser, bo_list: AmdgpuBoList) -> Blocking[None]:
    uf_bo, p.uf_bo = p.uf_bo, None
    try:
        yield from original(p, bo_list)
    finally:
        p.uf_bo = uf_bo
