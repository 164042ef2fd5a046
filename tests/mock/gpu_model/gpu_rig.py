# SPDX-License-Identifier: MIT
"""A mock GPU on a bench: no driver, a clock that only the test moves."""

from __future__ import annotations

from types import SimpleNamespace

from amdgpu_hw.gpu_model.faults import StopCause
from amdgpu_hw.gpu_model.gpu import GpuModel
from amdgpu_hw.gpu_model.loop import Timers, WorkQueue
from amdgpu_hw.gpu_model.page_table import Entry, EntryKind, PageTable, VmFault
from amdgpu_hw.gpu_model.ring import CallWork, IbWork, PlacedIb, Ring
from amdgpu_hw.packets import Engine, Pm4, Sdma
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GPU_PAGE_SHIFT

MIB = 1 << 20
RW = 0x60
MS = 1_000_000

IB_VA = 0x10_0000
DATA_VA = 0x100_0000
HOLE_VA = 0x4000_0000
UNMAPPED_VA = 0x8000_0000

VERSIONS = {
    "vega10": ((9, 0, 1), (4, 0, 0)),
    "mi300x": ((9, 4, 3), (4, 4, 2)),
    "navi10": ((10, 1, 10), (5, 0, 0)),
    "navi21": ((10, 3, 0), (5, 2, 0)),
    "navi31": ((11, 0, 0), (6, 0, 0)),
    "polaris10": ((8, 0, 0), (3, 1, 0)),
    "mi200": ((9, 4, 2), (4, 4, 0)),
    "navi48": ((12, 0, 1), (7, 0, 1)),
}


class Rig:
    """A GPU, an address space with IBs at `IB_VA` (1 MiB), data at `DATA_VA` (8 MiB) and 2 MiB of PRT at `HOLE_VA`."""

    def __init__(self, name: str = "navi31", time_factor: float = 0) -> None:
        gc, sdma = VERSIONS[name]
        self.time = 1_000_000_000
        self.work = WorkQueue()
        self.timers = Timers()
        self.gpu = GpuModel(
            self.work,
            self.timers,
            lambda: self.time,
            SimpleNamespace(
                gc_version=gc,
                sdma_version=sdma,
                memory=SimpleNamespace(vram=64 * MIB, gtt=64 * MIB),
                clocks=SimpleNamespace(counter=100_000),
                rings=SimpleNamespace(gfx=1, compute=4, sdma=2),
            ),
            time_factor,
        )
        self.faults: list[VmFault] = []
        self.stopped: list[tuple[Ring, StopCause, str]] = []
        self.notes: list[str] = []
        self.gpu.on_fault = self.faults.append
        self.gpu.on_stop = lambda ring, cause, text: self.stopped.append((ring, cause, text))
        self.gpu.on_note = self.notes.append
        self.memory = self.gpu.memory
        self.table = PageTable(gc)
        self.ibs = self.allocate(MIB)
        self.data = self.allocate(8 * MIB)
        self.map(IB_VA, MIB, Entry(EntryKind.VALID, self.ibs, RW))
        self.map(DATA_VA, 8 * MIB, Entry(EntryKind.VALID, self.data, RW))
        self.map(HOLE_VA, 2 * MIB, Entry(EntryKind.PRT))
        self._next_ib = IB_VA

    def close(self) -> None:
        """Give the memory back."""
        self.gpu.close()

    def allocate(self, size: int) -> int:
        """Return the address of new memory."""
        start, address = self.memory.host.alloc(size), self.memory.reserve(size)
        assert start is not None
        self.memory.enable(address, start, size)
        return address

    def map(self, va: int, size: int, entry: Entry) -> None:
        """Write page table entries at once."""
        first, last = va >> AMDGPU_GPU_PAGE_SHIFT, (va + size - 1) >> AMDGPU_GPU_PAGE_SHIFT
        self.table.allocate(first, last)
        self.table.write(first, last, entry)
        self.table.update_pdes()

    def pm4(self, engine: Engine = Engine.GFX) -> Pm4:
        """Return the codec of a graphics or compute ring."""
        codec = self.gpu.codec(engine)
        assert isinstance(codec, Pm4)
        return codec

    @property
    def sdma(self) -> Sdma:
        """The codec of the copy engines."""
        codec = self.gpu.codec(Engine.SDMA)
        assert isinstance(codec, Sdma)
        return codec

    def ring(self, engine: Engine = Engine.GFX, index: int = 0) -> Ring:
        """Return a ring."""
        return self.gpu.rings[engine, index]

    def ib(self, dwords: list[int]) -> PlacedIb:
        """Put an IB into memory."""
        va = self._next_ib
        self._next_ib += (4 * len(dwords) + 255) & ~255
        self.memory.write(self.ibs + va - IB_VA, b"".join(word.to_bytes(4, "little") for word in dwords))
        return PlacedIb(va, len(dwords))

    def submit(self, ring: Ring, *ibs: list[int]) -> list[int]:
        """Submit one job; the list it returns gets the job's result when it is done."""
        done: list[int] = []
        ring.submit(IbWork([self.ib(dwords) for dwords in ibs], self.table, 1, done.append))
        return done

    def call(self, ring: Ring, function: object = None) -> list[int]:
        """Submit work of the kernel."""
        done: list[int] = []
        ring.submit(CallWork(function if callable(function) else lambda: None, done.append))
        return done

    def run(self, limit: int = 100_000) -> None:
        """Run what is queued, without letting time pass."""
        assert not self.work.run(limit), "the rings do not come to rest"

    def wait(self, nanoseconds: int) -> None:
        """Let time pass, with timers in order."""
        end = self.time + nanoseconds
        self.run()
        while (deadline := self.timers.next_deadline()) is not None and deadline <= end:
            self.time = max(self.time, deadline)
            self.timers.run_due(self.time)
            self.run()
        self.time = end

    def word(self, offset: int = 0) -> int:
        """Return a dword of the data area."""
        return self.memory.read_u32(self.data + offset)

    def set_word(self, value: int, offset: int = 0) -> None:
        """Write a dword of the data area, as a CPU does: no ring hears of it."""
        self.memory.write_u32(self.data + offset, value)

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Return bytes of the data area."""
        return self.memory.read(self.data + offset, size)

    def put(self, offset: int, data: bytes) -> None:
        """Write bytes of the data area."""
        self.memory.write(self.data + offset, data)
