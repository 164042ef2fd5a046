# SPDX-License-Identifier: MIT
"""PRT mappings under the unit that they are for: vector loads of shaders."""

from __future__ import annotations

import struct

from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, KiB
from amdgpu_hw.packets import Pm4, compute
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable

SIZE = 64 * KiB
PATTERN = 0xBADC0DED


@behaviour(
    "O84",
    "a shader's vector loads read zeros from PRT, and what it stores there is gone, without a fault",
    needs="prt",
    rule="What sparse resources are made for: residencyNonResidentStrict rests on it. Scalar loads do not know PRT "
    "(KERNEL.md 3.10), so the shader has none.",
    faults=True,
)
def test_shaders_read_zeros_from_prt_and_lose_what_they_store(gpu: Gpu, must: Must) -> None:
    """A copy of memory by the same shader comes first: it can tell zeros from having done nothing.

    Only where a GPU may hang: the shader and its dispatch are made by the documents, and no hardware has run them.
    """
    code = compute.copy_shader(gpu.identity.gc_version)
    if code is None:
        raise NotTestable("there is no shader for this GPU here")
    data, program = gpu.alloc(2 * SIZE, always_valid=True), gpu.alloc(PAGE_SIZE, always_valid=True)
    program.write(0, struct.pack(f"<{len(code)}I", *code))
    memory, code_range, tile = gpu.reserve(2 * SIZE), gpu.reserve(PAGE_SIZE), gpu.reserve(SIZE)
    memory.map(data)
    code_range.map(program, executable=True)
    tile.map_prt()
    queue = gpu.compute
    pm4 = queue.packets
    assert isinstance(pm4, Pm4), "a compute queue takes PM4"

    def copy(source: int, target: int) -> set[int]:
        """Have the shader copy; the words that the second half of the buffer has then."""
        arguments = struct.unpack("<4I", struct.pack("<2Q", source, target))
        groups = SIZE // compute.COPY_GROUP_BYTES
        queue.submit([*pm4.acquire_mem(), *pm4.dispatch(groups, compute.COPY_THREADS, code_range.va, arguments)]).wait()
        return set(memoryview(data.read(SIZE, SIZE)).cast("I"))

    pattern = struct.pack("<I", PATTERN) * (SIZE // 4)
    data.write(0, pattern + bytes(SIZE))
    must.did("copied memory by a shader; MAP PRT; copied from there, to there, and from there again")
    must.equal(copy(memory.va, memory.va + SIZE), {PATTERN}, "from memory")
    must.equal(copy(tile.va, memory.va + SIZE), {0}, "from PRT")
    copy(memory.va, tile.va)
    data.write(SIZE, pattern)
    must.equal(copy(tile.va, memory.va + SIZE), {0}, "from PRT behind a store")
    fault = vm_fault(gpu)
    must.be(fault is None, seen="no VM fault", otherwise=f"touching PRT raised a {fault}", kind="note")
