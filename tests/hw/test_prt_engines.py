# SPDX-License-Identifier: MIT
"""What engines other than shaders make of PRT: a record, for nothing promises that they understand it."""

from __future__ import annotations

import pytest

from amdgpu_hw.errors import DrmError
from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE
from amdgpu_hw.packets import Pm4, Sdma
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must

PATTERN = 0xBADC0DED


@pytest.mark.parametrize("packet", ["SDMA copy", "COPY_DATA", "DMA_DATA"])
@behaviour(
    "T08b",
    "what the copy engine and the command processor read from PRT (a record: they may fault or hang)",
    needs="prt",
    faults=True,
)
def test_engines_read_prt(gpu: Gpu, must: Must, packet: str) -> None:
    """Zeros without a fault would allow to use them for PRT; whatever else comes is the answer, too."""
    landing = gpu.alloc(PAGE_SIZE, always_valid=True)
    landing.fill(PATTERN)
    source, destination = gpu.reserve(PAGE_SIZE), gpu.reserve(PAGE_SIZE)
    destination.map(landing)
    source.map_prt()
    queue = gpu.sdma if packet == "SDMA copy" else gpu.compute
    must.did(f"{packet} from PRT on {queue}")
    try:
        queue.submit(read_packets(queue.packets, packet, source.va, destination.va)).wait()
    except DrmError as error:
        must.note(f"the job ended with {error.errno_name}")
        return
    read = landing.read_u32()
    must.note(f"it read {'zeros' if read == 0 else 'nothing' if read == PATTERN else f'{read:#x}'}")
    must.note(vm_fault(gpu) or "no VM fault")


def read_packets(codec: Pm4 | Sdma, packet: str, source: int, destination: int) -> list[int]:
    """The packets that copy one dword."""
    if isinstance(codec, Sdma):
        return codec.copy(source, destination, 4)
    if packet == "COPY_DATA":
        return codec.copy_data(source, destination)
    return codec.dma_data_copy(source, destination, 4)
