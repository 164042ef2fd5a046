# SPDX-License-Identifier: MIT
"""Each submission makes its context one of the address space's generation of now: after VRAM was lost all are accepted.

ctx->generation is what amdgpu_cs_pass1 compares, and was to be kept from when the context was made. So old contexts
work on memory that has lost its content, and nobody tells the application.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser, amdgpu_cs_pass1
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_generation
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O101",))


@replaces(amdgpu_cs_pass1)
def pass1(original: Original, p: AmdgpuCsParser, num_chunks: int, address: int) -> None:
    p.ctx.generation = amdgpu_vm_generation(p.adev, p.fpriv.vm)
    original(p, num_chunks, address)
