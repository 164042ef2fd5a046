# SPDX-License-Identifier: MIT
"""Of a user fence the lower 32 bits are written: the upper half keeps what user space had there.

The packet behind the last IB without AMDGPU_FENCE_FLAG_64BIT. A program that has filled its qword with ones before it
submits never finds its sequence number there.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O81",))


_U32_MASK = 0xFFFF_FFFF


@replaces(AmdgpuJob.write_user_fence)
def write_user_fence(original: Original, self: AmdgpuJob) -> None:
    if self.uf_address is not None:
        self.adev.gpu.memory.write(self.uf_address, (self.uf_sequence & _U32_MASK).to_bytes(4, "little"))
