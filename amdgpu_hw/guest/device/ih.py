# SPDX-License-Identifier: MIT
"""The interrupt handler block: a ring of entries in the guest's memory, and one MSI (vega10_ih.c, navi10_ih.c).

An MSI is sent when an entry is added that the driver has not been told of, and again when it has read up to less than
there is: so it is not flooded, and misses nothing. Entries that find the ring full are dropped and told to the log.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from .interrupts import Interrupt
from .memory import SYSTEM

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.translation import Translator

    from .log import MachineLog
    from .memory import PhysicalMemory
    from .registers import RegisterFile

__all__ = ("Ih",)

M32 = 0xFFFF_FFFF
ENTRY = 32

RB_ENABLE = 1 << 0
SIZE_SHIFT, SIZE_MASK = 1, 31
WPTR_WRITEBACK_ENABLE = 1 << 8
ENABLE_INTR = 1 << 17
MC_SPACE_SHIFT, MC_SPACE_MASK = 28, 7
MC_SPACE_VMID0 = 4
"""Addresses are the GPU's; any other value: bus addresses."""
DOORBELL_OFFSET_MASK = 0x3FF_FFFF
DOORBELL_ENABLE = 1 << 28


class Ih:
    """Ring 0, which everything that is modelled is told through; rings 1 and 2 stay empty."""

    def __init__(
        self,
        registers: RegisterFile,
        memory: PhysicalMemory,
        system: Translator,
        counter: Callable[[], int],
        send_msi: Callable[[], None],
        log: MachineLog,
    ) -> None:
        self._registers = registers
        self._memory = memory
        self._system = system
        self._counter = counter
        self._send_msi = send_msi
        self._log = log
        self._rptr = self._wptr = 0
        self._told = True
        """The driver has been told of all that is in the ring."""
        self.sent = 0
        at = registers.table.offset
        self._cntl = at("OSSSYS", "IH_RB_CNTL")
        self._base = at("OSSSYS", "IH_RB_BASE"), at("OSSSYS", "IH_RB_BASE_HI")
        self._wptr_addr = at("OSSSYS", "IH_RB_WPTR_ADDR_LO"), at("OSSSYS", "IH_RB_WPTR_ADDR_HI")
        self._doorbell = at("OSSSYS", "IH_DOORBELL_RPTR")
        self._doorbells_1_2 = [
            at("OSSSYS", name)
            for name in ("IH_DOORBELL_RPTR_RING1", "IH_DOORBELL_RPTR_RING2")
            if registers.table.has("OSSSYS", name)
        ]
        self._pasids = {
            hub: [at("OSSSYS", f"IH_VMID_{n}_LUT{suffix}") for n in range(16)] for hub, suffix in ((0, ""), (1, "_MM"))
        }
        rptr, wptr = at("OSSSYS", "IH_RB_RPTR"), at("OSSSYS", "IH_RB_WPTR")
        registers.on_read(rptr, lambda: self._rptr)
        registers.on_read(wptr, lambda: self._wptr)
        registers.on_write(rptr, self._read_up_to)
        registers.on_write(wptr, self._set_wptr)

    def reset(self) -> None:
        """Power up."""
        self._rptr = self._wptr = 0
        self._told = True

    def pasid(self, hub: int, vmid: int) -> int:
        """Return the PASID that the driver has given a VMID of a hub (0 graphics, 1 the other)."""
        return self._registers.get(self._pasids[hub][vmid]) & 0xFFFF

    def ring_doorbell(self, index: int, value: int) -> bool:
        """Take the driver's read pointer; returns whether the doorbell was ours."""
        doorbell = self._registers.get(self._doorbell)
        if doorbell & DOORBELL_ENABLE and doorbell & DOORBELL_OFFSET_MASK == index:
            self._read_up_to(value)
            return True
        # The other two rings are never written, so the driver has nothing to tell of them but zeros.
        return any(
            self._registers.get(register) & (DOORBELL_ENABLE | DOORBELL_OFFSET_MASK) == DOORBELL_ENABLE | index
            for register in self._doorbells_1_2
        )

    def raise_interrupt(self, interrupt: Interrupt) -> None:
        """Put an entry into the ring and tell the driver."""
        get = self._registers.get
        cntl = get(self._cntl)
        if not cntl & RB_ENABLE:
            self._log.once("ih", f"interrupt with the ring off, dropped: {interrupt}")
            return
        size = 4 << (cntl >> SIZE_SHIFT & SIZE_MASK)
        after = (self._wptr + ENTRY) % size
        if after == self._rptr % size:
            self._log.once(("ih full", self.sent >> 12), f"the interrupt ring is full, dropped: {interrupt}")
            return
        base = (get(self._base[0]) | get(self._base[1]) << 32) << 8
        now = self._counter()
        entry = struct.pack(
            "<8I",
            interrupt.client | interrupt.source << 8 | interrupt.ring << 16 | interrupt.vmid << 24
            | interrupt.vmid_src << 31,
            now & M32,
            now >> 32 & 0xFFFF,
            interrupt.pasid | interrupt.node << 16,
            *interrupt.data,
        )  # fmt: skip
        self._write(cntl, base + self._wptr, entry)
        self._wptr = after
        self.sent += 1
        if cntl & WPTR_WRITEBACK_ENABLE:
            address = get(self._wptr_addr[0]) | get(self._wptr_addr[1]) << 32
            self._write(cntl, address, struct.pack("<I", self._wptr))
        if self._told:
            self._tell()

    def _tell(self) -> None:
        self._told = False
        if self._registers.get(self._cntl) & ENABLE_INTR:
            self._send_msi()

    def _read_up_to(self, value: int) -> None:
        self._rptr = value & M32
        if self._rptr == self._wptr:
            self._told = True
        else:
            self._tell()

    def _set_wptr(self, value: int) -> None:
        self._wptr = value & M32 & -ENTRY

    def _write(self, cntl: int, address: int, data: bytes) -> None:
        if cntl >> MC_SPACE_SHIFT & MC_SPACE_MASK != MC_SPACE_VMID0:
            self._memory.write(SYSTEM | address, data)
            return
        found = self._system.walk(address)
        if found.length >= len(data) and found.kind:
            self._memory.write(found.address, data)
        else:
            self._log.once(("ih address", address >> 12), f"the interrupt ring is at {address:#x}, where nothing is")
