# SPDX-License-Identifier: MIT
"""A user fence may be in a buffer of any size: amdgpu_cs_p1_user_fence checks the offset alone.

Its buffer is one page, so that it can be kept in the GART as long as the job runs; the offset is checked against that.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser, _amdgpu_cs_p1_user_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O59",))


@replaces(_amdgpu_cs_p1_user_fence)
def user_fence(original: Original, p: AmdgpuCsParser, kdata: bytes) -> None:
    try:
        original(p, kdata)
    except KernelError:
        bo: AmdgpuBo | None = p.uf_bo
        if bo is None or bo.user_pages is not None or bo.size == PAGE_SIZE or p.uf_offset > bo.size - 8:
            raise
