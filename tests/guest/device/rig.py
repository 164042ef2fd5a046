# SPDX-License-Identifier: MIT
"""A GPU without QEMU, and as much of a driver as its tests need: rings, page tables and interrupts in guest memory."""

from __future__ import annotations

import io
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.guest.device.gpu import GENERATIONS, GuestGpu
from amdgpu_hw.guest.device.log import MachineLog

FB_BASE = 0xF4_0000_0000
"""Where the registers say that VRAM begins."""
MIB = 1 << 20
VRAM = 256 * MIB
RAM = 4 * MIB
RAM_AT = 0x1_0000_0000
"""Bus address of the guest's RAM."""

VALID, SYSTEM, SNOOPED, EXEC, READ, WRITE, PRT, PDE_PTE = (1 << n for n in (0, 1, 2, 4, 5, 6, 51, 54))
RW = VALID | READ | WRITE

# Where in VRAM the rig has what.
IH_AT = 0x1_0000
IH_WPTR_AT = 0x1_8000
GFX_AT = 0x2_0000
RPTR_AT = 0x2_8000
SDMA_AT = 0x3_0000
KIQ_AT = 0x4_0000
COMPUTE_AT = 0x5_0000
MQD_AT = 0x6_0000
IB_AT = 0x7_0000
DATA_AT = 0x8_0000
TABLES_AT = 0x10_0000
RING_DWORDS = 1024
DOORBELLS = {"gfx": 0x116, "sdma": 0x1E0, "kiq": 0x0, "compute": 0x6, "ih": 0x1E8}


class Rig:
    """A GPU, its guest's RAM (`ram`), what it logged, and how many interrupts it sent."""

    def __init__(self, gpu: str = "vega10") -> None:
        self.log = io.StringIO()
        self.interrupts = 0
        self.identity = load_identity(gpu)
        self.generation = GENERATIONS[gpu]
        self.gpu = GuestGpu(self.identity, VRAM, MachineLog(self.log), self._interrupt)
        self.registers = self.gpu.registers
        self.fd = os.memfd_create("ram")
        os.ftruncate(self.fd, RAM)
        self.ram = mmap.mmap(self.fd, RAM)
        self.gpu.memory.dma.map(RAM_AT, RAM, self.fd, 0, True)
        self.gpu.memory.bus_master = True
        self._put: dict[str, int] = {}

    def close(self) -> None:
        self.gpu.close()
        self.ram.close()
        os.close(self.fd)

    def _interrupt(self) -> None:
        self.interrupts += 1

    # -- plain access -------------------------------------------------------------------------------------------------

    def at(self, block: str, name: str) -> int:
        return self.registers.table.offset(block, name)

    def write(self, block: str, name: str, value: int) -> None:
        self.registers.write(self.at(block, name), value)

    def read(self, block: str, name: str) -> int:
        return self.registers.read(self.at(block, name))

    def vram(self, at: int, size: int) -> bytes:
        return self.gpu.memory.read(at, size)

    def u32(self, at: int) -> int:
        return self.gpu.memory.read_u32(at)

    def put(self, at: int, words: Sequence[int]) -> None:
        self.gpu.memory.write(at, struct.pack(f"<{len(words)}I", *words))

    def said(self) -> str:
        return self.log.getvalue()

    def run(self, rounds: int = 50) -> None:
        """Let the GPU work as long as it has something to do, at most so many rounds."""
        for _ in range(rounds):
            self.gpu.timers.run_due(1 << 62)
            self.gpu.work.run(1000)

    # -- set-up as a driver does it -----------------------------------------------------------------------------------

    def enable_hubs(self) -> None:
        """System aperture over VRAM; contexts with four levels of page tables (gfxhub_v1_0_gart_enable)."""
        for hub in (self.gpu.gfxhub, self.gpu.mmhub):
            names = hub.names
            block, prefix, location = names.block, names.prefix, names.location
            self.write(block, f"{location}MC_VM_SYSTEM_APERTURE_LOW_ADDR", FB_BASE >> 18)
            self.write(block, f"{location}MC_VM_SYSTEM_APERTURE_HIGH_ADDR", FB_BASE + VRAM - 1 >> 18)
            self.write(block, f"{location}MC_VM_AGP_BOT", 0xFFFFFF)
            self.write(block, f"{location}MC_VM_AGP_TOP", 0)
            for vmid in range(1, 16):
                self.write(block, f"{prefix}VM_CONTEXT{vmid}_CNTL", 1 | 3 << 1 | 0x2AAA00)
                self.write(block, f"{prefix}VM_CONTEXT{vmid}_PAGE_TABLE_END_ADDR_LO32", 0xFFFFFFFF)
                self.write(block, f"{prefix}VM_CONTEXT{vmid}_PAGE_TABLE_END_ADDR_HI32", 0xF)

    def set_tables(self, vmid: int, root: int) -> None:
        """Give a VMID its page directory, an offset in VRAM."""
        for hub in (self.gpu.gfxhub, self.gpu.mmhub):
            name = f"{hub.names.prefix}VM_CONTEXT{vmid}_PAGE_TABLE_BASE_ADDR"
            self.write(hub.names.block, f"{name}_LO32", (root | VALID) & 0xFFFFFFFF)
            self.write(hub.names.block, f"{name}_HI32", root >> 32)

    def set_entry(self, table: int, index: int, entry: int) -> None:
        self.gpu.memory.write(table + 8 * index, struct.pack("<Q", entry))

    def map_page(self, va: int, entry: int, root: int = TABLES_AT) -> None:
        """Map a page of 4 KiB, with tables at fixed places behind ``root`` (one of each level)."""
        for level, shift in enumerate((39, 30, 21)):
            self.set_entry(root + 0x1000 * level, va >> shift & 511, root + 0x1000 * (level + 1) | VALID)
        self.set_entry(root + 0x3000, va >> 12 & 511, entry)

    def flush(self, vmid: int) -> None:
        """Invalidate what the TLBs have of a VMID, with engine 17 (gmc_v9_0_flush_gpu_tlb)."""
        for hub in (self.gpu.gfxhub, self.gpu.mmhub):
            request = 0b11111 << hub.names.request_shift | 1 << vmid
            self.write(hub.names.block, f"{hub.names.prefix}VM_INVALIDATE_ENG17_REQ", request)
            acknowledged = self.read(hub.names.block, f"{hub.names.prefix}VM_INVALIDATE_ENG17_ACK")
            assert acknowledged >> vmid & 1, "an invalidation is acknowledged"

    def enable_interrupts(self, entries: int = 64) -> None:
        """Interrupt ring in VRAM (vega10_ih_enable_ring with use_bus_addr off)."""
        self.write("OSSSYS", "IH_RB_BASE", FB_BASE + IH_AT >> 8)
        self.write("OSSSYS", "IH_RB_BASE_HI", FB_BASE + IH_AT >> 40)
        self.write("OSSSYS", "IH_RB_WPTR_ADDR_LO", FB_BASE + IH_WPTR_AT & 0xFFFFFFFF)
        self.write("OSSSYS", "IH_RB_WPTR_ADDR_HI", FB_BASE + IH_WPTR_AT >> 32)
        self.write("OSSSYS", "IH_DOORBELL_RPTR", DOORBELLS["ih"] | 1 << 28)
        size = (entries * 8).bit_length() - 1
        self.write("OSSSYS", "IH_RB_CNTL", 1 | size << 1 | 1 << 8 | 1 << 17 | 4 << 28)
        for name in ("CP_INT_CNTL_RING0", *(f"CP_ME1_PIPE{n}_INT_CNTL" for n in range(4))):
            self.write("GC", name, 1 << 23 | 1 << 24 | 1 << 26)

    def entries(self) -> list[tuple[int, ...]]:
        """Return what is in the interrupt ring, as dwords."""
        count = self.u32(IH_WPTR_AT) // 32
        return [struct.unpack("<8I", self.vram(IH_AT + 32 * n, 32)) for n in range(count)]

    def start_gfx(self) -> None:
        """Describe and start the graphics ring (gfx_v9_0_cp_gfx_resume)."""
        base = FB_BASE + GFX_AT >> 8
        self.write("GC", "CP_RB0_CNTL", (RING_DWORDS // 2).bit_length() - 1)
        self.write("GC", "CP_RB0_WPTR", 0)
        self.write("GC", "CP_RB0_RPTR_ADDR", FB_BASE + RPTR_AT & 0xFFFFFFFF)
        self.write("GC", "CP_RB0_RPTR_ADDR_HI", FB_BASE + RPTR_AT >> 32)
        self.write("GC", "CP_RB0_BASE", base & 0xFFFFFFFF)
        self.write("GC", "CP_RB0_BASE_HI", base >> 32)
        self.write("GC", "CP_RB_DOORBELL_CONTROL", DOORBELLS["gfx"] << 2 | 1 << 30)
        self.write("GC", "CP_ME_CNTL", 0)

    def start_sdma(self, index: int = 0) -> None:
        """Describe and start an engine's queue (sdma_v4_0_gfx_resume)."""
        names = self.generation.sdma
        block, prefix = names.block.format(index), f"{names.prefix.format(index)}{next(iter(names.rings))}_"
        size = RING_DWORDS.bit_length() - 1
        base = FB_BASE + SDMA_AT >> 8
        self.write(block, f"{prefix}RB_CNTL", size << 1)
        for name, value in (
            ("RB_RPTR", 0), ("RB_RPTR_HI", 0), ("RB_WPTR", 0), ("RB_WPTR_HI", 0),
            ("RB_RPTR_ADDR_LO", FB_BASE + RPTR_AT + 64 & 0xFFFFFFFF), ("RB_RPTR_ADDR_HI", FB_BASE >> 32),
            ("RB_BASE", base & 0xFFFFFFFF), ("RB_BASE_HI", base >> 32),
            ("DOORBELL", 1 << 28), ("DOORBELL_OFFSET", DOORBELLS["sdma"] << 2),
            ("RB_CNTL", size << 1 | 1 << 12 | 1),
        ):  # fmt: skip
            self.write(block, prefix + name, value)
        self.write(block, f"{names.prefix.format(index)}F32_CNTL", 0)

    def select(self, me: int, pipe: int, queue: int) -> None:
        self.write("GC", "GRBM_GFX_CNTL", pipe | me << 2 | queue << 8)

    def start_kiq(self) -> None:
        """Activate the KIQ through its registers (gfx_v9_0_kiq_init_register)."""
        self.select(2, 1, 0)
        for name, value in self.queue_registers(KIQ_AT, "kiq", 128).items():
            self.write("GC", name, value)
        self.write("GC", "CP_HQD_ACTIVE", 1)
        self.select(0, 0, 0)

    @staticmethod
    def queue_registers(at: int, doorbell: str, rptr: int) -> dict[str, int]:
        base = FB_BASE + at >> 8
        return {
            "CP_HQD_PQ_BASE": base & 0xFFFFFFFF,
            "CP_HQD_PQ_BASE_HI": base >> 32,
            "CP_HQD_PQ_CONTROL": (RING_DWORDS // 2).bit_length() - 1,
            "CP_HQD_PQ_RPTR_REPORT_ADDR": FB_BASE + RPTR_AT + rptr & 0xFFFFFFFF,
            "CP_HQD_PQ_RPTR_REPORT_ADDR_HI": FB_BASE + RPTR_AT >> 32,
            "CP_HQD_PQ_DOORBELL_CONTROL": DOORBELLS[doorbell] << 2 | 1 << 30,
        }

    def submit(self, queue: str, words: Sequence[int], run: bool = True) -> None:
        """Put packets into a ring and ring its doorbell."""
        at = {"gfx": GFX_AT, "sdma": SDMA_AT, "kiq": KIQ_AT, "compute": COMPUTE_AT}[queue]
        wptr = self._put.get(queue, 0)
        for word in words:
            self.put(at + 4 * (wptr % RING_DWORDS), [word])
            wptr += 1
        self._put[queue] = wptr
        self.gpu.ring_doorbell(DOORBELLS[queue], wptr << 2 if queue == "sdma" else wptr)
        if run:
            self.run()

    def forget(self, queue: str) -> None:
        """Begin at the start of a ring again, as after a reset."""
        self._put.pop(queue, None)


def mc(at: int) -> int:
    """Return the driver's address of an offset in VRAM."""
    return FB_BASE + at


def lo_hi(address: int) -> tuple[int, int]:
    """Return both halves of an address."""
    return address & 0xFFFFFFFF, address >> 32


@contextmanager
def a_rig(gpu: str = "vega10") -> Iterator[Rig]:
    """A rig whose hubs, interrupts and rings are on."""
    rig = Rig(gpu)
    try:
        rig.enable_hubs()
        rig.enable_interrupts()
        yield rig
    finally:
        rig.close()
