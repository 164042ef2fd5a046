# SPDX-License-Identifier: MIT
"""PRT mappings under the unit that they are for: vector loads of shaders."""

from __future__ import annotations

import struct
import time

from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, KiB
from amdgpu_hw.packets import Pm4, compute
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
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
    copying, queue = CopyShader(gpu), gpu.compute
    data, memory, tile = gpu.alloc(2 * SIZE, always_valid=True), gpu.reserve(2 * SIZE), gpu.reserve(SIZE)
    memory.map(data)
    tile.map_prt()

    def copy(source: int, target: int) -> set[int]:
        """Have the shader copy; the words that the second half of the buffer has then."""
        queue.submit(copying.ib(source, target)).wait()
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


@behaviour(
    "O84",
    "a shader in flight reads zeros from PRT that is taken away meanwhile, without a fault",
    needs="prt",
    rule="A plain UNMAP waits for work in flight, and so does what it switches off: before GFX9 PRT is a state of the "
    "whole GPU (amdgpu_vm_prt_put, from the fence of the update).",
    faults=True,
)
def test_shaders_read_zeros_from_prt_that_is_on_its_way_out(gpu: Gpu, shut_gate: ShutGate, must: Must) -> None:
    """The only PRT there is in this address space."""
    copying = CopyShader(gpu)
    data, memory, tile = gpu.alloc(SIZE, always_valid=True), gpu.reserve(SIZE), gpu.reserve(SIZE)
    memory.map(data)
    data.write(0, struct.pack("<I", PATTERN) * (SIZE // 4))
    tile.map_prt()
    with shut_gate(gpu.compute, copying.ib(tile.va, memory.va)) as job:
        tile.unmap_prt()
        must.did(f"UNMAP of PRT that {job.words} is to copy from")
        # What does not wait is done by then, and not only under way.
        time.sleep(0.02)
    must.signal(job.submission, after=job)
    must.equal(set(memoryview(data.read(0, SIZE)).cast("I")), {0}, "from PRT")
    fault = vm_fault(gpu)
    must.be(fault is None, seen="no VM fault", otherwise=f"touching PRT raised a {fault}", kind="note")


class CopyShader:
    """A shader that copies `SIZE` bytes, in memory of its own; not testable where there is none for the GPU."""

    def __init__(self, gpu: Gpu) -> None:
        code = compute.copy_shader(gpu.identity.gc_version)
        if code is None:
            raise NotTestable("there is no shader for this GPU here")
        program, self._range = gpu.alloc(PAGE_SIZE, always_valid=True), gpu.reserve(PAGE_SIZE)
        program.write(0, struct.pack(f"<{len(code)}I", *code))
        self._range.map(program, executable=True)
        packets = gpu.compute.packets
        assert isinstance(packets, Pm4), "a compute queue takes PM4"
        self._pm4 = packets

    def ib(self, source: int, target: int) -> list[int]:
        """An IB that has it copy."""
        arguments = struct.unpack("<4I", struct.pack("<2Q", source, target))
        groups = SIZE // compute.COPY_GROUP_BYTES
        dispatch = self._pm4.dispatch(groups, compute.COPY_THREADS, self._range.va, arguments)
        return [*self._pm4.acquire_mem(), *dispatch]
