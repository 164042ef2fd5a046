# SPDX-License-Identifier: MIT
"""Of a new buffer in VRAM the first page is cleared; in the others is what was there before.

amdgpu_ttm_clear_buffer came after 6.1, with an allocator that knows what is clear: it has to go through all blocks.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O8",))

_OLD = b"\x5a"


@replaces(AmdgpuBo.wipe)
def wipe(original: Original, self: AmdgpuBo, offset: int, size: int) -> None:
    original(self, offset, size)
    if not self.deleted and size > PAGE_SIZE:
        self.adev.mman.memory.write(self.address + offset + PAGE_SIZE, _OLD * (size - PAGE_SIZE))
