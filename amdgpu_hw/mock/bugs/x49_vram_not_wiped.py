# SPDX-License-Identifier: MIT
"""New buffers in VRAM show what was there before."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O8",))

_OLD = b"\x5a"


@replaces(AmdgpuBo.wipe)
def wipe(original: Original, self: AmdgpuBo, offset: int, size: int) -> None:
    self.adev.mman.memory.write(self.address + offset, _OLD * size)
